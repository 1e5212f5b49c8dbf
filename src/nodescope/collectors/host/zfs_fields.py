"""Names of the statistics of OpenZFS, for the catalogue of metrics: what is read is whatever the files hold.

Source: the kstats of OpenZFS: module/zfs/{abd,arc,dbuf,dmu_tx,dnode,fm,vdev_cache,vdev_mirror,dmu_zfetch,zil}.c.
"""

from __future__ import annotations

from typing import Final

FIELDS: Final = {
    "abdstats": (
        "struct_size linear_cnt linear_data_size scatter_cnt scatter_data_size scatter_chunk_waste scatter_order_0 "
        "scatter_order_1 scatter_order_2 scatter_order_3 scatter_order_4 scatter_order_5 scatter_order_6 "
        "scatter_order_7 scatter_order_8 scatter_order_9 scatter_order_10 scatter_page_multi_chunk "
        "scatter_page_multi_zone scatter_page_alloc_retry scatter_sg_table_retry"
    ),
    "arcstats": (
        "anon_evictable_data anon_evictable_metadata anon_size arc_loaned_bytes arc_meta_limit arc_meta_max "
        "arc_meta_min arc_meta_used arc_need_free arc_no_grow arc_prune arc_sys_free arc_tempreserve c c_max c_min "
        "data_size deleted demand_data_hits demand_data_misses demand_metadata_hits demand_metadata_misses "
        "duplicate_buffers duplicate_buffers_size duplicate_reads evict_l2_cached evict_l2_eligible "
        "evict_l2_ineligible evict_l2_skip evict_not_enough evict_skip hash_chain_max hash_chains hash_collisions "
        "hash_elements hash_elements_max hdr_size hits l2_abort_lowmem l2_asize l2_cdata_free_on_write l2_cksum_bad "
        "l2_compress_failures l2_compress_successes l2_compress_zeros l2_evict_l1cached l2_evict_lock_retry "
        "l2_evict_reading l2_feeds l2_free_on_write l2_hdr_size l2_hits l2_io_error l2_misses l2_read_bytes "
        "l2_rw_clash l2_size l2_write_bytes l2_writes_done l2_writes_error l2_writes_lock_retry l2_writes_sent "
        "memory_available_bytes memory_direct_count memory_indirect_count memory_throttle_count metadata_size "
        "mfu_evictable_data mfu_evictable_metadata mfu_ghost_evictable_data mfu_ghost_evictable_metadata "
        "mfu_ghost_hits mfu_ghost_size mfu_hits mfu_size misses mru_evictable_data mru_evictable_metadata "
        "mru_ghost_evictable_data mru_ghost_evictable_metadata mru_ghost_hits mru_ghost_size mru_hits mru_size "
        "mutex_miss other_size p prefetch_data_hits prefetch_data_misses prefetch_metadata_hits "
        "prefetch_metadata_misses size"
    ),
    "dbufstats": (
        "dbuf_cache_count dbuf_cache_size dbuf_cache_size_max dbuf_cache_max_bytes dbuf_cache_lowater_bytes "
        "dbuf_cache_hiwater_bytes dbuf_cache_total_evicts dbuf_cache_level_0 dbuf_cache_level_1 dbuf_cache_level_2 "
        "dbuf_cache_level_3 dbuf_cache_level_4 dbuf_cache_level_5 dbuf_cache_level_6 dbuf_cache_level_7 "
        "dbuf_cache_level_8 dbuf_cache_level_9 dbuf_cache_level_10 dbuf_cache_level_11 dbuf_cache_level_0_bytes "
        "dbuf_cache_level_1_bytes dbuf_cache_level_2_bytes dbuf_cache_level_3_bytes dbuf_cache_level_4_bytes "
        "dbuf_cache_level_5_bytes dbuf_cache_level_6_bytes dbuf_cache_level_7_bytes dbuf_cache_level_8_bytes "
        "dbuf_cache_level_9_bytes dbuf_cache_level_10_bytes dbuf_cache_level_11_bytes hash_hits hash_misses "
        "hash_collisions hash_elements hash_elements_max hash_chains hash_chain_max hash_insert_race "
        "hash_dbuf_level_0 hash_dbuf_level_1 hash_dbuf_level_2 hash_dbuf_level_3 hash_dbuf_level_4 "
        "hash_dbuf_level_5 hash_dbuf_level_6 hash_dbuf_level_7 hash_dbuf_level_8 hash_dbuf_level_9 "
        "hash_dbuf_level_10 hash_dbuf_level_11 hash_dbuf_level_0_bytes hash_dbuf_level_1_bytes "
        "hash_dbuf_level_2_bytes hash_dbuf_level_3_bytes hash_dbuf_level_4_bytes hash_dbuf_level_5_bytes "
        "hash_dbuf_level_6_bytes hash_dbuf_level_7_bytes hash_dbuf_level_8_bytes hash_dbuf_level_9_bytes "
        "hash_dbuf_level_10_bytes hash_dbuf_level_11_bytes"
    ),
    "dmu_tx": (
        "dmu_tx_assigned dmu_tx_delay dmu_tx_error dmu_tx_suspended dmu_tx_group dmu_tx_memory_reserve "
        "dmu_tx_memory_reclaim dmu_tx_dirty_throttle dmu_tx_dirty_delay dmu_tx_dirty_over_max dmu_tx_quota"
    ),
    "dnodestats": (
        "dnode_hold_dbuf_hold dnode_hold_dbuf_read dnode_hold_alloc_hits dnode_hold_alloc_misses "
        "dnode_hold_alloc_interior dnode_hold_alloc_lock_retry dnode_hold_alloc_lock_misses "
        "dnode_hold_alloc_type_none dnode_hold_free_hits dnode_hold_free_misses dnode_hold_free_lock_misses "
        "dnode_hold_free_lock_retry dnode_hold_free_overflow dnode_hold_free_refcount dnode_hold_free_txg "
        "dnode_allocate dnode_reallocate dnode_buf_evict dnode_alloc_next_chunk dnode_alloc_race "
        "dnode_alloc_next_block dnode_move_invalid dnode_move_recheck1 dnode_move_recheck2 dnode_move_special "
        "dnode_move_handle dnode_move_rwlock dnode_move_active"
    ),
    "fm": "erpt-dropped erpt-set-failed fmri-set-failed payload-set-failed",
    "vdev_cache_stats": "delegations hits misses",
    "vdev_mirror_stats": (
        "rotating_linear rotating_offset rotating_seek non_rotating_linear non_rotating_seek preferred_found "
        "preferred_not_found"
    ),
    "xuio_stats": (
        "onloan_read_buf onloan_write_buf read_buf_copied read_buf_nocopy write_buf_copied write_buf_nocopy"
    ),
    "zfetchstats": (
        "hits misses colinear_hits colinear_misses stride_hits stride_misses reclaim_successes reclaim_failures "
        "streams_resets streams_noresets bogus_streams"
    ),
    "zil": (
        "zil_commit_count zil_commit_writer_count zil_itx_count zil_itx_indirect_count zil_itx_indirect_bytes "
        "zil_itx_copied_count zil_itx_copied_bytes zil_itx_needcopy_count zil_itx_needcopy_bytes "
        "zil_itx_metaslab_normal_count zil_itx_metaslab_normal_bytes zil_itx_metaslab_slog_count "
        "zil_itx_metaslab_slog_bytes"
    ),
}
"""File -> its fields."""

IO_FIELDS: Final = "nread nwritten reads writes wtime wlentime wupdate rtime rlentime rupdate wcnt rcnt"
OBJSET_FIELDS: Final = "writes nwritten reads nread nunlinks nunlinked"
