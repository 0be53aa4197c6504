"""A tiny GGUF model for real local inference in tests: random weights from a seed, answers are noise that repeats.

``python tests/tiny_gguf.py OUT.gguf`` writes about 485 kB. Needs gguf and numpy. Any UTF-8 text can be read (bytes are
tokens too).
"""

from __future__ import annotations

import string
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|' + m['role'] + '|>' + m['content'] + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


WITH_TOOLS = "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}" + TEMPLATE


def build(
    path: Path,
    *,
    seed: int = 0,
    width: int = 64,
    layers: int = 2,
    heads: int = 4,
    context: int = 512,
    template: str = TEMPLATE,
    says: Sequence[str] = (),
    ends: bool = True,
) -> None:
    """Write the model to ``path``; the same arguments give the same bytes. ``says`` are the pieces, fewer than
    ``width`` and none a single letter, of the one answer that it gives to everything, again and again unless it
    ``ends``; without it answers are noise."""
    import gguf
    import numpy as np

    kinds = gguf.TokenType
    tokens: list[tuple[str, float, int]] = [("<unk>", 0, kinds.UNKNOWN)]
    tokens += [("<s>", 0, kinds.CONTROL), ("</s>", 0, kinds.CONTROL)]
    tokens += [(f"<0x{byte:02X}>", 0, kinds.BYTE) for byte in range(256)]
    letters = string.ascii_letters + string.digits + ".,:;!?'\"-_()[]{}/\\+*=<>|@#$%&"
    tokens += [("▁", -1, kinds.NORMAL)]
    tokens += [(letter, -2 - place / 100, kinds.NORMAL) for place, letter in enumerate(letters)]
    tokens += [(piece, 0, kinds.USER_DEFINED) for piece in says]

    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads // 2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([text.encode() for text, _, _ in tokens])
    writer.add_token_scores([float(score) for _, score, _ in tokens])
    writer.add_token_types([int(kind) for _, _, kind in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(template)

    draw = np.random.default_rng(seed)

    def weights(*shape: int, scale: float = 0.08) -> Any:
        if says:
            return np.zeros(shape, dtype=np.float32)  # each token passes through as it is
        return (draw.standard_normal(shape) * scale).astype(np.float32)

    ones = np.ones(width, dtype=np.float32)
    half = width // heads * (heads // 2)
    # With ``says`` each token stands for how much was said: that of the next piece answers to it, then that of the end.
    first = len(tokens) - len(says)
    embedding = weights(len(tokens), width, scale=0.32)
    if says:
        embedding[:first, 0] = 1
        embedding[range(first, len(tokens)), range(1, len(says) + 1)] = 1
    writer.add_tensor("token_embd.weight", embedding)
    for layer in range(layers):
        for name, made in (
            ("attn_norm", ones),
            ("attn_q", weights(width, width)),
            ("attn_k", weights(half, width)),
            ("attn_v", weights(half, width)),
            ("attn_output", weights(width, width)),
            ("ffn_norm", ones),
            ("ffn_gate", weights(2 * width, width)),
            ("ffn_up", weights(2 * width, width)),
            ("ffn_down", weights(width, 2 * width)),
        ):
            writer.add_tensor(f"blk.{layer}.{name}.weight", made)
    writer.add_tensor("output_norm.weight", ones)
    output = weights(len(tokens), width, scale=0.32)
    if says:
        output[[*range(first, len(tokens)), 2 if ends else first], range(len(says) + 1)] = 10
    writer.add_tensor("output.weight", output)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    build(Path(sys.argv[1]))
