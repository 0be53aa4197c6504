"""Names of OpenTelemetry's conventions for generative AI, and our own beside them.

From the repository open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-spans.md at ``SPANS_COMMIT`` and
docs/gen-ai/gen-ai-metrics.md at ``METRICS_COMMIT``, status "Development". They may change; they change here alone.
"""

from __future__ import annotations

SPANS_COMMIT = "002c8a6ea1c8a42b14a4527db83b3cabcded610a"
METRICS_COMMIT = "004902b8cb70aa5ae6ca4ae07132b7daabcd3e10"

OPERATION = "gen_ai.operation.name"
CHAT = "chat"
EMBEDDINGS = "embeddings"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TYPE_OF_TOKENS = "gen_ai.token.type"
INPUT, OUTPUT = "input", "output"
ERROR_TYPE = "error.type"

USAGE = "gen_ai.client.token.usage"
USAGE_BUCKETS = tuple(4**power for power in range(14))
DURATION = "gen_ai.client.operation.duration"
DURATION_BUCKETS = tuple(0.01 * 2**power for power in range(14))

# Our own, for what the conventions have no word for.
CALL = "complaint_llm.call"
TASK = "complaint_llm.task"
COST = "complaint_llm.cost_usd"
CACHED = "complaint_llm.cached"
DEMO = "complaint_llm.demo"
GUARDS = "complaint_llm.guards"
BATCH = "complaint_llm.batch"
ATTEMPT = "complaint_llm.attempt"
NUMBER = "complaint_llm.attempt.number"
BACKEND = "complaint_llm.backend"
SECONDS = "complaint_llm.attempt.seconds"
SENT = "complaint_llm.attempt.sent"
MAYBE_RECEIVED = "complaint_llm.attempt.maybe_received"
