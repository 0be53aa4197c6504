"""Evidence that holds up: content by CID, records, CAR files, an IPFS node, and the provenance of answers.

``EvidenceStore`` is the door for evidence, ``ProvenanceLog`` for answers; ``BlockStore`` is what a plugin may replace.
"""

from complaint_llm.evidence.blocks.file_blocks import BlockStore
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.evidence.maintenance.verification import Fault, Verification
from complaint_llm.evidence.provenance.chain import ProvenanceRef
from complaint_llm.evidence.provenance.log import ProvenanceLog, config_digest
from complaint_llm.evidence.provenance.record import RequestDetails
from complaint_llm.evidence.provenance.trace import Step, trace
from complaint_llm.evidence.store import EvidenceStore

__all__ = [
    "Block",
    "BlockStore",
    "Cid",
    "EvidenceStore",
    "Fault",
    "ProvenanceLog",
    "ProvenanceRef",
    "RequestDetails",
    "Step",
    "Verification",
    "config_digest",
    "parse_cid",
    "trace",
]
