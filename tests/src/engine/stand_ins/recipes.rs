//! What each stand-in is made of.
//!
//! A Dockerfile on the common root (`ROOT`), small files beside it, and files of this machine. Only
//! what our compose file, examples and tests rely on is like the official image.

use std::path::PathBuf;

use super::toolchain;
use crate::binary::installed;

/// The context of a build.
#[derive(Debug, Hash)]
pub(super) struct Recipe {
    pub(super) dockerfile: &'static str,
    /// By name.
    pub(super) files: Vec<(&'static str, String)>,
    /// Names in a folder of this machine.
    pub(super) host_files: Vec<(PathBuf, Vec<&'static str>)>,
}

/// The recipe for an image of others; panics where there is none.
pub(super) fn find(name: &str) -> Recipe {
    match name {
        "rust:1.95-bookworm" => rust(),
        "nginx:1.22" => Recipe::new(NGINX, &[("nginx.conf", NGINX_CONF), ("default.conf", SITE)]),
        "redis:7.0" => Recipe::new(REDIS, &[("entrypoint", REDIS_ENTRYPOINT)]),
        "prom/prometheus:v2.42.0" => Recipe::new(PROMETHEUS, &[]),
        "busybox:1.36" => busybox(),
        other => panic!("no registry answers, and there is no stand-in for {other}"),
    }
}

impl Recipe {
    fn new(dockerfile: &'static str, files: &[(&'static str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        Self { dockerfile, files, host_files: Vec::new() }
    }
}

/// This machine's toolchain, and its certificate authorities: its way to crates.io may need one.
fn rust() -> Recipe {
    let (sysroot, version) = toolchain();
    let authorities = (PathBuf::from("/etc/ssl/certs"), vec!["ca-certificates.crt"]);
    Recipe {
        host_files: vec![(sysroot, vec!["bin", "lib", "libexec"]), authorities],
        ..Recipe::new(RUST, &[("version", &version)])
    }
}

const RUST: &str = "FROM ROOT
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo
ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY ca-certificates.crt /etc/ssl/certs/
COPY version /usr/local/rustup/
COPY lib /usr/local/cargo/lib
COPY libexec /usr/local/cargo/libexec
COPY bin /usr/local/cargo/bin
CMD [\"bash\"]
";

/// Logs go to the container's output, unless a volume takes the place of the folder.
const NGINX: &str = "FROM ROOT
RUN groupadd --system --gid 101 --non-unique nginx \\
 && useradd --system --uid 101 --gid 101 --non-unique --no-create-home nginx \\
 && rm -rf /etc/nginx/sites-enabled /etc/nginx/modules-enabled \\
 && ln -sf /dev/stdout /var/log/nginx/access.log \\
 && ln -sf /dev/stderr /var/log/nginx/error.log
COPY nginx.conf /etc/nginx/
COPY default.conf /etc/nginx/conf.d/
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD [\"nginx\", \"-g\", \"daemon off;\"]
";

const NGINX_CONF: &str = "user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] \"$request\" $status '
                    '$body_bytes_sent \"$http_referer\" \"$http_user_agent\" '
                    '\"$http_x_forwarded_for\"';
    access_log /var/log/nginx/access.log main;
    sendfile on;
    include /etc/nginx/conf.d/*.conf;
}
";

const SITE: &str = "server {
    listen 80;
    location / { root /usr/share/nginx/html; index index.html; }
}
";

const REDIS: &str = "FROM ROOT
RUN mkdir /data && chown redis:redis /data
COPY entrypoint /usr/local/bin/docker-entrypoint.sh
RUN chmod 755 /usr/local/bin/docker-entrypoint.sh
VOLUME /data
WORKDIR /data
EXPOSE 6379
ENTRYPOINT [\"docker-entrypoint.sh\"]
CMD [\"redis-server\"]
";

/// Flags alone are redis-server's, root gives up its rights, and protected mode is off: the
/// official image is built so.
const REDIS_ENTRYPOINT: &str = "#!/bin/sh
set -e
case \"$1\" in -* | *.conf) set -- redis-server \"$@\" ;; esac
[ \"$1\" = redis-server ] || exec \"$@\"
set -- \"$@\" --protected-mode no
[ \"$(id -u)\" = 0 ] || exec \"$@\"
exec setpriv --reuid redis --regid redis --clear-groups \"$@\"
";

const PROMETHEUS: &str = "FROM ROOT
RUN rm -rf /etc/prometheus /var/lib/prometheus \\
 && mkdir /etc/prometheus /prometheus && chown nobody:nogroup /prometheus
USER nobody
VOLUME /prometheus
WORKDIR /prometheus
EXPOSE 9090
ENTRYPOINT [\"/bin/prometheus\"]
CMD [\"--config.file=/etc/prometheus/prometheus.yml\", \"--storage.tsdb.path=/prometheus\"]
";

fn busybox() -> Recipe {
    let program = installed("busybox", "busybox-static");
    let folder = program.parent().expect("a file is in a folder").to_owned();
    Recipe { host_files: vec![(folder, vec!["busybox"])], ..Recipe::new(BUSYBOX, &[]) }
}

const BUSYBOX: &str = "FROM scratch
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox mkdir -p /etc /tmp /root /var /usr/bin \\
 && /bin/busybox chmod 1777 /tmp && /bin/busybox --install -s /bin \\
 && echo root:x:0:0:root:/root:/bin/sh >/etc/passwd\"]
CMD [\"sh\"]
";
