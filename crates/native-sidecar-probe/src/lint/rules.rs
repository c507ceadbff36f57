//! The catalogue of rules: what each is called, what it says in general, and what to do about it.
//!
//! The checks themselves are in the files beside this one. A rule is a constant, so that a check
//! cannot name one that the catalogue lacks; a test holds [`ALL`] and the examples together.

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Stable: people silence rules by it.
    pub(crate) id: &'static str,
    /// What it is about, in one sentence.
    pub(crate) about: &'static str,
    /// What to do.
    pub(crate) hint: &'static str,
}

macro_rules! rules {
    ($($name:ident $id:literal $about:literal $hint:literal)*) => {
        $(pub(crate) const $name: Rule = Rule { id: $id, about: $about, hint: $hint };)*
        /// Every rule, in the order of the catalogue.
        pub(crate) const ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    SYNTAX "syntax"
        "The file is YAML or JSON as kubectl reads it, within the limits."
        "Repair the line; a key stands once in its mapping, and aliases may not make the file \
         large."

    MISPLACED "misplaced-restart-policy"
        "restartPolicy stands where the API has no such field."
        "Put restartPolicy: Always directly into the item of initContainers."
    VALUE "restart-policy-value"
        "A container's restartPolicy is Always, OnFailure or Never, in exactly this spelling."
        "A native sidecar needs restartPolicy: Always."
    REGULAR "restart-policy-on-regular-container"
        "restartPolicy on a container of the list containers makes no native sidecar."
        "Move the container to initContainers, or take the field away."
    EPHEMERAL "restart-policy-on-ephemeral-container"
        "Ephemeral containers have no restartPolicy."
        "Take the field away."
    NOT_ALWAYS "init-container-not-always"
        "An init container with restartPolicy Never or OnFailure is no native sidecar."
        "Write Always for a sidecar; take the field away for a plain init container."
    RESTART_RULES "restart-policy-rules"
        "restartPolicyRules need a Kubernetes that has them, and a restartPolicy beside them."
        "Take the rules away, or name the version of your cluster with --kubernetes-version."
    POD_POLICY "pod-restart-policy"
        "The pod's restartPolicy is one that its workload allows."
        "Jobs take Never or OnFailure; all other workloads Always. A sidecar's own field is in \
         its container."

    PROBE "probe-on-init-container"
        "Probes and lifecycle hooks are for native sidecars, not for plain init containers."
        "Add restartPolicy: Always to the container, or take the probe away."
    STARTUP "startup-probe-missing"
        "Without a startupProbe the next container starts as soon as the sidecar's process runs."
        "Add a startupProbe that succeeds when the sidecar can serve."
    LIVENESS "liveness-before-startup"
        "A livenessProbe without a startupProbe may kill a sidecar while it starts."
        "Add a startupProbe; liveness is then not asked before it has succeeded."

    DUPLICATE "duplicate-container-name"
        "Container names are unique in the pod, over all three lists."
        "Rename one of them."
    PORTS "port-clash"
        "Containers of a pod share its ports."
        "Give one of them another port."
    ORDER "needs-later-container"
        "An init container cannot use what starts only after it has ended."
        "Make the one that serves a native sidecar, and list it before those that need it."
    MESH "mesh-after-init"
        "Init containers before a mesh's sidecar run without the mesh."
        "List the mesh's sidecar before the init containers that talk to others."

    JOB "sidecar-in-job"
        "A Job ends only when all its regular containers have ended."
        "Make it an init container with restartPolicy: Always, or wrap the main container with \
         `native-sidecar-probe shutdown`."
    NEVER_ENDS "init-container-never-ends"
        "A plain init container that does not end keeps the pod in Init for ever."
        "Add restartPolicy: Always to make it a native sidecar."

    PRE_STOP "pre-stop-ends-sidecar"
        "A sidecar that its preStop hook ends is started again, and again, until its turn comes."
        "Let the hook only wait; SIGTERM comes when the main containers have ended."
    NO_GRACE "no-grace"
        "With a grace period of 0 seconds all containers are killed at once."
        "Set terminationGracePeriodSeconds to what the main containers and the sidecars need."
    GRACE "grace-too-short"
        "Main containers and then the sidecars, one after another, end within one grace period."
        "Raise terminationGracePeriodSeconds, or lower the sidecars' own grace."

    QOS "sidecar-lowers-qos"
        "Sidecars count for the QoS class: one without equal requests and limits makes it \
         Burstable."
        "Give the container requests and limits for cpu and memory that are equal."
    RESOURCES "effective-requests"
        "What the pod requests, sidecars included, and its QoS class."
        "Nothing to do; the scheduler and quotas count so."
    DOCUMENTED "requests-above-documentation"
        "An init container after a sidecar is counted together with it, other than the \
         documentation says."
        "Plan with the effective request; list the init container before the sidecar to lower it."

    GATE "feature-gate"
        "The feature gate SidecarContainers came with 1.28, is locked from 1.33 and gone from 1.37."
        "Take the gate out of flags and configuration files before they are used with that version."
    UNSUPPORTED "unsupported-version"
        "Native sidecars need Kubernetes 1.29 or later, on the control plane and on every node."
        "Use the universal form up to 1.27 (native-sidecar-probe universal), or upgrade."

    UNIVERSAL_ROLES "universal-roles"
        "A universal sidecar has three roles: native, arbiter directly after it, and regular."
        "List native (restartPolicy: Always) and arbiter in initContainers and regular in \
         containers, with one --dir and one --name."
    UNIVERSAL_VOLUME "universal-volume"
        "The three roles of a universal sidecar share one writable emptyDir."
        "Mount the same emptyDir at --dir in all three; locks on other volumes outlive the pod \
         or do not work."
    UNIVERSAL_PROBES "universal-probes"
        "Probes of a universal sidecar must hold for the copy that is idle."
        "Leave probes off the native copy; probe the regular one with `native-sidecar-probe \
         universal ready`."
    UNIVERSAL_POLICY "universal-restart-policy"
        "The regular role must know the pod's restartPolicy."
        "Set --pod-restart-policy, or NATIVE_SIDECAR_PROBE_POD_RESTART_POLICY, to the pod's \
         restartPolicy."
}
