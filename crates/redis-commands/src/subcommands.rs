//! The subcommands of every container, in the order of the names.
//!
//! As in `table`, arity and keys are those of COMMAND, class and treatment ours. A subcommand that
//! only one family of servers has is here too: whether it exists is for the server to say.

use crate::Class::{Connection, PubSub, Read, Script, Server, Write};
use crate::Local;
use crate::Treatment::{AllShards, Always, Forward, Local as Ours, Never, Refuse};
use crate::command::{Command, newer, row};
use crate::keys::Keys;

pub(crate) const ACL: &[Command] = &[
    row("acl|cat", -2, Keys::NONE, Server, Refuse),
    row("acl|deluser", -3, Keys::NONE, Server, Refuse),
    row("acl|dryrun", -4, Keys::NONE, Server, Refuse),
    row("acl|genpass", -2, Keys::NONE, Server, Refuse),
    row("acl|getuser", 3, Keys::NONE, Server, Refuse),
    row("acl|help", 2, Keys::NONE, Server, Refuse),
    row("acl|list", 2, Keys::NONE, Server, Refuse),
    row("acl|load", 2, Keys::NONE, Server, Refuse),
    row("acl|log", -2, Keys::NONE, Server, Refuse),
    row("acl|save", 2, Keys::NONE, Server, Refuse),
    row("acl|setuser", -3, Keys::NONE, Server, Refuse),
    row("acl|users", 2, Keys::NONE, Server, Refuse),
    row("acl|whoami", 2, Keys::NONE, Server, Refuse),
];

pub(crate) const CLIENT: &[Command] = &[
    row("client|caching", 3, Keys::NONE, Connection, Always(Local::Client)),
    newer("client|capa", -3, Keys::NONE, Connection, Always(Local::Client)),
    row("client|getname", 2, Keys::NONE, Connection, Always(Local::Client)),
    row("client|getredir", 2, Keys::NONE, Connection, Always(Local::Client)),
    row("client|help", 2, Keys::NONE, Connection, Always(Local::Client)),
    row("client|id", 2, Keys::NONE, Connection, Always(Local::Client)),
    newer("client|import-source", 3, Keys::NONE, Connection, Always(Local::Client)),
    row("client|info", 2, Keys::NONE, Connection, Always(Local::Client)),
    row("client|kill", -3, Keys::NONE, Connection, Always(Local::Client)),
    row("client|list", -2, Keys::NONE, Connection, Always(Local::Client)),
    row("client|no-evict", 3, Keys::NONE, Connection, Always(Local::Client)),
    newer("client|no-touch", 3, Keys::NONE, Connection, Always(Local::Client)),
    row("client|pause", -3, Keys::NONE, Connection, Always(Local::Client)),
    row("client|reply", 3, Keys::NONE, Connection, Always(Local::Client)),
    newer("client|setinfo", 4, Keys::NONE, Connection, Always(Local::Client)),
    row("client|setname", 3, Keys::NONE, Connection, Always(Local::Client)),
    row("client|tracking", -3, Keys::NONE, Connection, Always(Local::Client)),
    row("client|trackinginfo", 2, Keys::NONE, Connection, Always(Local::Client)),
    row("client|unblock", -3, Keys::NONE, Connection, Always(Local::Client)),
    row("client|unpause", 2, Keys::NONE, Connection, Always(Local::Client)),
];

pub(crate) const CLUSTER: &[Command] = &[
    row("cluster|addslots", -3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|addslotsrange", -4, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|bumpepoch", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    newer("cluster|cancelslotmigrations", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|count-failure-reports", 3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|countkeysinslot", 3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|delslots", -3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|delslotsrange", -4, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|failover", -2, Keys::NONE, Server, Ours(Local::Cluster)),
    newer("cluster|flushslot", -3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|flushslots", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|forget", 3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|getkeysinslot", 4, Keys::NONE, Server, Ours(Local::Cluster)),
    newer("cluster|getslotmigrations", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|help", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|info", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|keyslot", 3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|links", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|meet", -4, Keys::NONE, Server, Ours(Local::Cluster)),
    newer("cluster|migrateslots", -4, Keys::NONE, Server, Ours(Local::Cluster)),
    newer("cluster|migration", -4, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|myid", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    newer("cluster|myshardid", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|nodes", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|replicas", 3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|replicate", 3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|reset", -2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|saveconfig", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|set-config-epoch", 3, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|setslot", -4, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|shards", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|slaves", 3, Keys::NONE, Server, Ours(Local::Cluster)),
    newer("cluster|slot-stats", -4, Keys::NONE, Server, Ours(Local::Cluster)),
    row("cluster|slots", 2, Keys::NONE, Server, Ours(Local::Cluster)),
    newer("cluster|syncslots", -3, Keys::NONE, Server, Ours(Local::Cluster)),
];

pub(crate) const COMMAND: &[Command] = &[
    row("command|count", 2, Keys::NONE, Server, Ours(Local::Command)),
    row("command|docs", -2, Keys::NONE, Server, Ours(Local::Command)),
    row("command|getkeys", -4, Keys::NONE, Server, Ours(Local::Command)),
    row("command|getkeysandflags", -4, Keys::NONE, Server, Ours(Local::Command)),
    row("command|help", 2, Keys::NONE, Server, Ours(Local::Command)),
    row("command|info", -2, Keys::NONE, Server, Ours(Local::Command)),
    row("command|list", -2, Keys::NONE, Server, Ours(Local::Command)),
];

pub(crate) const COMMANDLOG: &[Command] = &[
    newer("commandlog|get", 4, Keys::NONE, Server, Refuse),
    newer("commandlog|help", 2, Keys::NONE, Server, Refuse),
    newer("commandlog|len", 3, Keys::NONE, Server, Refuse),
    newer("commandlog|reset", 3, Keys::NONE, Server, Refuse),
];

pub(crate) const CONFIG: &[Command] = &[
    row("config|get", -3, Keys::NONE, Server, Ours(Local::Config)),
    row("config|help", 2, Keys::NONE, Server, Ours(Local::Config)),
    row("config|resetstat", 2, Keys::NONE, Server, Ours(Local::Config)),
    row("config|rewrite", 2, Keys::NONE, Server, Ours(Local::Config)),
    row("config|set", -4, Keys::NONE, Server, Ours(Local::Config)),
];

pub(crate) const FUNCTION: &[Command] = &[
    row("function|delete", 3, Keys::NONE, Script, AllShards),
    row("function|dump", 2, Keys::NONE, Script, AllShards),
    row("function|flush", -2, Keys::NONE, Script, AllShards),
    row("function|help", 2, Keys::NONE, Script, Forward),
    row("function|kill", 2, Keys::NONE, Script, AllShards),
    row("function|list", -2, Keys::NONE, Script, AllShards),
    row("function|load", -3, Keys::NONE, Script, AllShards),
    row("function|restore", -3, Keys::NONE, Script, AllShards),
    row("function|stats", 2, Keys::NONE, Script, AllShards),
];

pub(crate) const LATENCY: &[Command] = &[
    row("latency|doctor", 2, Keys::NONE, Server, Refuse),
    row("latency|graph", 3, Keys::NONE, Server, Refuse),
    row("latency|help", 2, Keys::NONE, Server, Refuse),
    row("latency|histogram", -2, Keys::NONE, Server, Refuse),
    row("latency|history", 3, Keys::NONE, Server, Refuse),
    row("latency|latest", 2, Keys::NONE, Server, Refuse),
    row("latency|reset", -2, Keys::NONE, Server, Refuse),
];

pub(crate) const MEMORY: &[Command] = &[
    row("memory|doctor", 2, Keys::NONE, Server, Refuse),
    row("memory|help", 2, Keys::NONE, Server, Forward),
    row("memory|malloc-stats", 2, Keys::NONE, Server, Refuse),
    row("memory|purge", 2, Keys::NONE, Server, Refuse),
    row("memory|stats", 2, Keys::NONE, Server, Refuse),
    row("memory|usage", -3, Keys::SECOND, Read, Forward),
];

pub(crate) const MODULE: &[Command] = &[
    row("module|help", 2, Keys::NONE, Server, Refuse),
    row("module|list", 2, Keys::NONE, Server, Refuse),
    row("module|load", -3, Keys::NONE, Server, Refuse),
    row("module|loadex", -3, Keys::NONE, Server, Refuse),
    row("module|unload", 3, Keys::NONE, Server, Refuse),
];

pub(crate) const OBJECT: &[Command] = &[
    row("object|encoding", 3, Keys::SECOND, Read, Forward),
    row("object|freq", 3, Keys::SECOND, Read, Forward),
    row("object|help", 2, Keys::NONE, Read, Forward),
    row("object|idletime", 3, Keys::SECOND, Read, Forward),
    row("object|refcount", 3, Keys::SECOND, Read, Forward),
];

pub(crate) const PUBSUB: &[Command] = &[
    row("pubsub|channels", -2, Keys::NONE, PubSub, Refuse),
    row("pubsub|help", 2, Keys::NONE, PubSub, Refuse),
    row("pubsub|numpat", 2, Keys::NONE, PubSub, Refuse),
    row("pubsub|numsub", -2, Keys::NONE, PubSub, Refuse),
    row("pubsub|shardchannels", -2, Keys::NONE, PubSub, Refuse),
    row("pubsub|shardnumsub", -2, Keys::NONE, PubSub, Refuse),
];

pub(crate) const SCRIPT: &[Command] = &[
    row("script|debug", 3, Keys::NONE, Script, Never),
    row("script|exists", -3, Keys::NONE, Script, AllShards),
    row("script|flush", -2, Keys::NONE, Script, AllShards),
    row("script|help", 2, Keys::NONE, Script, Forward),
    row("script|kill", 2, Keys::NONE, Script, AllShards),
    row("script|load", 3, Keys::NONE, Script, AllShards),
    newer("script|show", 3, Keys::NONE, Script, AllShards),
];

pub(crate) const SLOWLOG: &[Command] = &[
    row("slowlog|get", -2, Keys::NONE, Server, Refuse),
    row("slowlog|help", 2, Keys::NONE, Server, Refuse),
    row("slowlog|len", 2, Keys::NONE, Server, Refuse),
    row("slowlog|reset", 2, Keys::NONE, Server, Refuse),
];

pub(crate) const XGROUP: &[Command] = &[
    row("xgroup|create", -5, Keys::SECOND, Write, Forward),
    row("xgroup|createconsumer", 5, Keys::SECOND, Write, Forward),
    row("xgroup|delconsumer", 5, Keys::SECOND, Write, Forward),
    row("xgroup|destroy", 4, Keys::SECOND, Write, Forward),
    row("xgroup|help", 2, Keys::NONE, Write, Forward),
    row("xgroup|setid", -5, Keys::SECOND, Write, Forward),
];

pub(crate) const XINFO: &[Command] = &[
    row("xinfo|consumers", 4, Keys::SECOND, Read, Forward),
    row("xinfo|groups", 3, Keys::SECOND, Read, Forward),
    row("xinfo|help", 2, Keys::NONE, Read, Forward),
    row("xinfo|stream", -3, Keys::SECOND, Read, Forward),
];
