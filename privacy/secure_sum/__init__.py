"""Secure sum: sites share their epochs between two aggregators, and only noisy sums over many sites are put together.

    site ── SiteShare ──► leader ─┐ agree on the accepted set, add, encode, each on its own share
         └─ SiteShare ──► helper ─┴── SumShare ──► hub: adds the two, and has W = C X + Z of the sum

additive_share -> site_share (framing, share_error, request_signature, share_receipt) -> accepted_set -> sum_share
                                                                                  -> introduction
"""

from privacy.secure_sum.accepted_set import Acceptance, AcceptedSet
from privacy.secure_sum.additive_share import expand_seed, join_shares, split_vector
from privacy.secure_sum.introduction import Introduction
from privacy.secure_sum.request_signature import SIGNATURE_HEADER, SITE_HEADER, sign_request, verify_request
from privacy.secure_sum.share_error import ShareError, ShareFault
from privacy.secure_sum.share_receipt import ShareReceipt
from privacy.secure_sum.site_share import (
    Role,
    SiteShare,
    open_share,
    pack_sharing,
    peek_share,
    share_epoch,
    sharing_of,
    unpack_sharing,
)
from privacy.secure_sum.sum_share import (
    SumShare,
    encode_sum,
    join_sums,
    open_sum_share,
    peek_sum_role,
    seal_sum_share,
)

__all__ = [
    "SIGNATURE_HEADER",
    "SITE_HEADER",
    "Acceptance",
    "AcceptedSet",
    "Introduction",
    "Role",
    "ShareError",
    "ShareFault",
    "ShareReceipt",
    "SiteShare",
    "SumShare",
    "encode_sum",
    "expand_seed",
    "join_shares",
    "join_sums",
    "open_share",
    "open_sum_share",
    "pack_sharing",
    "peek_share",
    "peek_sum_role",
    "seal_sum_share",
    "share_epoch",
    "sharing_of",
    "sign_request",
    "split_vector",
    "unpack_sharing",
    "verify_request",
]
