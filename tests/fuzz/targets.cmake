# Every tests/fuzz/fuzz_<name>.cpp is a target; those that need more than sipfront_sip say so in sipfront_fuzz_link_<name>.
file(GLOB sipfront_fuzz_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/fuzz_*.cpp)
set(sipfront_fuzz_link_worker sipfront_sim)
set(sipfront_fuzz_link_reassembly sipfront_dpdk)
set(sipfront_fuzz_link_icmp sipfront_dpdk)
