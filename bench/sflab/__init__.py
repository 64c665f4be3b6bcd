"""The lab: sipfront nodes, hosts and clients in network namespaces of one machine (docs: bench/lab --help)."""
