//! etcd: while servers and connections die, and when it refuses us.
