//! The images that the examples name, made of what is installed here.
//!
//! Ours are the binaries that their images have, entrypoint and user as the Dockerfile sets them.
//! The others are the same programs of the same versions from the host's packages, laid out as the
//! official images are as far as the examples touch them.

use e2e::binary::released;
use e2e::podman::Image;

const NGINX_CONF: &str = "\
user nginx;
worker_processes 1;
error_log /var/log/nginx/error.log notice;
pid /var/run/nginx.pid;
events { worker_connections 256; }
http {
    log_format main '$remote_addr - $remote_user [$time_local] \"$request\" $status';
    access_log /var/log/nginx/access.log main;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server { listen 80; location / { return 200 \"welcome\\n\"; } }
}
";
const NGINX_USERS: &str = "root:x:0:0::/:/bin/sh\nnginx:x:101:101::/:/bin/false\n";
const NGINX_GROUPS: &str = "root:x:0:\nnginx:x:101:\n";
/// Options alone are the server's, as with the official image.
const REDIS_ENTRYPOINT: &str = "\
#!/bin/sh
case $1 in -*) set -- redis-server \"$@\" ;; esac
exec \"$@\"
";

/// The image of this name.
pub(crate) fn image(name: &str) -> Image {
    match name {
        "busybox:1.36" => Image::busybox(),
        "nginx:1.22" => Image::busybox()
            .program("nginx", "nginx")
            .text("/etc/nginx/nginx.conf", 0o644, NGINX_CONF)
            .text("/etc/passwd", 0o644, NGINX_USERS)
            .text("/etc/group", 0o644, NGINX_GROUPS)
            .folder("/var/log/nginx")
            .folder("/var/run")
            .command(&["nginx", "-g", "daemon off;"]),
        "redis:7.0" => Image::busybox()
            .program("redis-server", "redis-server")
            .program("redis-cli", "redis-tools")
            .text("/bin/docker-entrypoint.sh", 0o755, REDIS_ENTRYPOINT)
            .folder("/data")
            .entrypoint(&["docker-entrypoint.sh"])
            .command(&["redis-server"]),
        ours => {
            let name = ours.strip_prefix("outrider/").and_then(|rest| rest.split(':').next());
            let (name, path) = (name.unwrap(), format!("/{}", name.unwrap()));
            let image = Image::scratch().file(&released(name), &path);
            image.entrypoint(&[&path]).user("65532:65532")
        }
    }
}
