"""sipfront and Debian's Kamailio, one after the other, at the same job over the same kind of veth pair."""
