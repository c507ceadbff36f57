//! What a refusal of the API server means: who said no, and whether it tells of a lost field.
//!
//! In go status code and message, out comes a class. The API server has no machine-readable form
//! for most of this: an RBAC denial, a pod security denial and a quota are all "Forbidden", and the
//! webhook that cannot do a dry run is named only in the text. The texts are those of Kubernetes
//! 1.18 to 1.36. What a webhook says itself comes after its own fixed prefix, so that prefix is
//! looked for first and nothing behind it is read.

/// Probes on an init container, to an API server that knows native sidecars (1.28 and later).
const NOT_NATIVE: &str = "may not be set for init containers without restartPolicy=Always";
/// The same, from one that does not: 1.27 and earlier, in its newer and its older words.
const NEVER_NATIVE: [&str; 2] =
    ["may not be set for init containers", "must not be set for init containers"];

/// Why the API server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A right is missing, or the credentials are.
    Forbidden,
    /// A webhook cannot be asked without side effects.
    NoDryRun { webhook: String },
    /// Somebody does not want this pod.
    Policy { by: Policy, name: String },
    /// The API server does not know the field at all.
    UnknownField,
    /// The probes of a native sidecar are refused: somebody lost its restartPolicy before.
    NotNative { knows_sidecars: bool },
    /// The manifest is wrong in another way.
    Invalid,
    /// The namespace, or the whole resource, does not exist.
    NotFound,
    /// Nothing that is known here.
    Other,
}

/// Who rejects a pod by intention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    PodSecurity,
    /// A ValidatingAdmissionPolicy.
    Expression,
    /// A webhook that said no.
    Webhook,
    /// A webhook that could not be asked, and whose failure policy is Fail.
    UnreachableWebhook,
    Quota,
    LimitRange,
    /// PodSecurityPolicy, or OpenShift's security context constraints.
    SecurityConstraint,
    /// Another admission plugin.
    Admission,
}

impl Policy {
    /// As people and JSON call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Policy::PodSecurity => "PodSecurity",
            Policy::Expression => "ValidatingAdmissionPolicy",
            Policy::Webhook => "webhook",
            Policy::UnreachableWebhook => "unreachable webhook",
            Policy::Quota => "ResourceQuota",
            Policy::LimitRange => "LimitRange",
            Policy::SecurityConstraint => "security constraint",
            Policy::Admission => "admission",
        }
    }
}

/// Reads a refusal.
pub(crate) fn classify(code: u16, message: &str) -> Refusal {
    if let Some(refusal) = from_webhook(message) {
        return refusal;
    }
    if let Some(name) = quoted(message, "ValidatingAdmissionPolicy '", '\'') {
        return Refusal::Policy { by: Policy::Expression, name };
    }
    match code {
        401 => Refusal::Forbidden,
        403 => from_forbidden(message),
        404 | 405 => Refusal::NotFound,
        _ if message.contains("unknown field") && message.contains(".restartPolicy") => {
            Refusal::UnknownField
        }
        400 | 422 if message.contains(NOT_NATIVE) => Refusal::NotNative { knows_sidecars: true },
        400 | 422 if NEVER_NATIVE.iter().any(|text| message.contains(text)) => {
            Refusal::NotNative { knows_sidecars: false }
        }
        400 | 422 => Refusal::Invalid,
        _ => Refusal::Other,
    }
}

fn from_webhook(message: &str) -> Option<Refusal> {
    // A call that failed is an internal error, and its text may quote anything.
    if let Some(name) = quoted(message, "failed calling webhook \"", '"') {
        return Some(Refusal::Policy { by: Policy::UnreachableWebhook, name });
    }
    let start = message.find("admission webhook \"")?;
    let (_, rest) = message.split_at(start);
    let name = quoted(rest, "admission webhook \"", '"')?;
    let (_, said) = rest.split_once("\" ")?;
    if said.starts_with("does not support dry run") {
        return Some(Refusal::NoDryRun { webhook: name });
    }
    said.starts_with("denied the request").then_some(Refusal::Policy { by: Policy::Webhook, name })
}

fn from_forbidden(message: &str) -> Refusal {
    let is_rbac = message.contains("cannot create resource") || message.contains("cannot create ");
    if is_rbac && message.contains("User \"") {
        return Refusal::Forbidden;
    }
    if let Some(name) = quoted(message, "violates PodSecurity \"", '"') {
        return Refusal::Policy { by: Policy::PodSecurity, name };
    }
    let quota =
        quoted(message, "exceeded quota: ", ',').or_else(|| quoted(message, "failed quota: ", ':'));
    if let Some(name) = quota {
        return Refusal::Policy { by: Policy::Quota, name };
    }
    let unnamed = |by| Refusal::Policy { by, name: String::new() };
    let limit_range = ["usage per Pod is", "usage per Container is", "limit to request ratio per"];
    if limit_range.iter().any(|text| message.contains(text)) {
        return unnamed(Policy::LimitRange);
    }
    if message.contains("unable to validate against any") {
        return unnamed(Policy::SecurityConstraint);
    }
    match message.contains("is forbidden: ") {
        true => unnamed(Policy::Admission),
        // No admission plugin, and no "User …": a proxy in front, say.
        false => Refusal::Forbidden,
    }
}

/// What stands between `before` and the next `end`.
fn quoted(text: &str, before: &str, end: char) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    let (name, _) = rest.split_once(end)?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(by: Policy, name: &str) -> Refusal {
        Refusal::Policy { by, name: name.to_owned() }
    }

    fn check(cases: &[(u16, &str, Refusal)]) {
        for (code, message, expected) in cases {
            assert_eq!(classify(*code, message), *expected, "{code} {message}");
        }
    }

    #[test]
    fn what_tells_of_the_field() {
        let not_native = |knows_sidecars: bool| Refusal::NotNative { knows_sidecars };
        check(&[
            // 1.27, recorded.
            (
                400,
                "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: \
                 unknown field \"spec.initContainers[0].restartPolicy\"",
                Refusal::UnknownField,
            ),
            (
                422,
                "Pod \"gate2\" is invalid: spec.initContainers[0].startupProbe: Forbidden: \
                 may not be set for init containers",
                not_native(false),
            ),
            (
                422,
                "Pod \"x\" is invalid: spec.initContainers[0].startupProbe: Invalid value: \
                 core.Probe{}: must not be set for init containers",
                not_native(false),
            ),
            // 1.32 with the gate off, recorded.
            (
                422,
                "Pod \"gate2\" is invalid: spec.initContainers[0].startupProbe: Forbidden: \
                 may not be set for init containers without restartPolicy=Always",
                not_native(true),
            ),
            (
                422,
                "Pod \"x\" is invalid: spec.containers[0].image: Required value",
                Refusal::Invalid,
            ),
            (404, "namespaces \"nowhere\" not found", Refusal::NotFound),
            (503, "the server is currently unable to handle the request", Refusal::Other),
        ]);
    }

    #[test]
    fn what_webhooks_say() {
        let denied = || policy(Policy::Webhook, "v.example");
        let webhook = "sidecar.example".to_owned();
        check(&[
            (
                400,
                "admission webhook \"sidecar.example\" does not support dry run",
                Refusal::NoDryRun { webhook },
            ),
            // Their own words may look like anything.
            (
                403,
                "admission webhook \"v.example\" denied the request: exceeded quota: fun, \
                 User \"x\" cannot create resource \"pods\"",
                denied(),
            ),
            (
                400,
                "admission webhook \"v.example\" denied the request: \
                 spec.initContainers[0].startupProbe: Forbidden: \
                 may not be set for init containers",
                denied(),
            ),
            (
                403,
                "admission webhook \"v.example\" denied the request without explanation",
                denied(),
            ),
            (
                500,
                "Internal error occurred: failed calling webhook \"w.example\": failed to call \
                 webhook: Post \"https://w.ns.svc:443/m?timeout=10s\": connection refused",
                policy(Policy::UnreachableWebhook, "w.example"),
            ),
        ]);
    }

    #[test]
    fn forbidden_by_rights_or_by_policy() {
        check(&[
            (
                403,
                "pods is forbidden: User \"system:serviceaccount:default:default\" cannot create \
                 resource \"pods\" in API group \"\" in the namespace \"default\"",
                Refusal::Forbidden,
            ),
            (401, "Unauthorized", Refusal::Forbidden),
            (403, "access denied by the gateway", Refusal::Forbidden),
            (
                422,
                "The pods \"x\" is invalid: : ValidatingAdmissionPolicy 'p.example' with binding \
                 'b' denied request: failed expression: false",
                policy(Policy::Expression, "p.example"),
            ),
        ]);
        for (text, by, name) in [
            (
                "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false",
                Policy::PodSecurity,
                "restricted:latest",
            ),
            (
                "ValidatingAdmissionPolicy 'keep' with binding 'b' denied request: no",
                Policy::Expression,
                "keep",
            ),
            ("exceeded quota: small, requested: pods=1, used: pods=3", Policy::Quota, "small"),
            ("failed quota: mem: must specify limits.memory for: m1", Policy::Quota, "mem"),
            ("[maximum cpu usage per Container is 5m, but limit is 10m]", Policy::LimitRange, ""),
            (
                "unable to validate against any security context constraint: []",
                Policy::SecurityConstraint,
                "",
            ),
            (
                "error looking up service account a/b: serviceaccount \"b\" not found",
                Policy::Admission,
                "",
            ),
        ] {
            let message = format!("pods \"native-sidecar-probe-x7\" is forbidden: {text}");
            check(&[(403, &message, policy(by, name))]);
        }
    }
}
