package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// findNginx finds it, and tells what it cannot do.
func findNginx() (c contender, without []string, err error) {
	program, err := lookPath("nginx")
	if err != nil {
		return c, nil, err
	}
	out, err := exec.Command(program, "-V").CombinedOutput() //nolint:gosec // G204: running programs is the job
	if err != nil {
		return c, nil, fmt.Errorf("nginx -V: %w", err)
	}
	built := parseNginx(string(out))
	if built.stream && built.module != "" {
		if _, err := os.Stat(built.module); err != nil {
			built.stream = false
		}
	}
	if !built.stream {
		without = append(without, "nginx has no stream module, and plays no TCP; on Debian: bench/install.sh")
	}
	if !built.http2 {
		without = append(without, "nginx is built without HTTP/2, and plays no h2c")
	}
	return contender{
		name: nginxName, about: built.version + ", 2 workers",
		command: func(l layout) (command, error) {
			path := filepath.Join(l.dir, "nginx.conf")
			err := os.WriteFile(path, []byte(nginxConfig(l, built, os.Geteuid() == 0)), 0o600)
			return command{args: []string{program, "-p", l.dir, "-e", "stderr", "-c", path}}, err
		},
		plays: func(r row) bool {
			return (r.protocol() != tcp || built.stream) && (r.protocol() != h2c || built.http2)
		},
	}, without, nil
}

// nginxBuild is what nginx -V says.
type nginxBuild struct {
	version       string
	http2, stream bool
	module        string // to be loaded for stream; "" where it is built in
}

func parseNginx(out string) (b nginxBuild) {
	b.version = "nginx"
	if m := regexp.MustCompile(`nginx/(\S+)`).FindStringSubmatch(out); m != nil {
		b.version += " " + m[1]
	}
	b.http2 = strings.Contains(out, "--with-http_v2_module")
	m := regexp.MustCompile(`--with-stream(=dynamic)?(\s|$)`).FindStringSubmatch(out)
	if b.stream = m != nil; b.stream && m[1] != "" {
		dir := "/usr/lib/nginx/modules"
		if m := regexp.MustCompile(`--modules-path=(\S+)`).FindStringSubmatch(out); m != nil {
			dir = m[1]
		}
		b.module = filepath.Join(dir, "ngx_stream_module.so")
	}
	return b
}

// nginxConfig has it keep connections on both sides for ever, share the ports
// evenly between its workers, and write no log and no body to disk.
func nginxConfig(l layout, built nginxBuild, root bool) string {
	var b strings.Builder
	if root {
		b.WriteString("user root;\n") // its workers have to reach our directory
	}
	if built.stream && built.module != "" {
		fmt.Fprintf(&b, "load_module %s;\n", built.module)
	}
	fmt.Fprintf(&b, `daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
pid %[1]s/nginx.pid;
error_log stderr error;
events { worker_connections 9000; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  client_body_buffer_size 64k;
  proxy_max_temp_file_size 0;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
`, l.dir)
	upstream := func(name string, p protocol, keepalive string) {
		fmt.Fprintf(&b, "  upstream %s {\n", name)
		for _, backend := range behind(l.backends, p) {
			fmt.Fprintf(&b, "    server %s max_fails=0;\n", backend)
		}
		fmt.Fprintf(&b, "%s  }\n", keepalive)
	}
	const keepalive = "    keepalive 512;\n    keepalive_requests 1000000000;\n"
	for i, address := range l.http {
		name := fmt.Sprintf("http%d", i)
		upstream(name, http1, keepalive)
		fmt.Fprintf(&b, "  server {\n    listen %s reuseport backlog=4096;\n    location / { proxy_pass http://%s; }\n  }\n", address, name)
	}
	if built.http2 {
		upstream("h2c", h2c, keepalive)
		fmt.Fprintf(&b, "  server {\n    listen %s http2 reuseport backlog=4096;\n    location / { grpc_pass grpc://h2c; }\n  }\n", l.h2c)
	}
	b.WriteString("}\n")
	if built.stream {
		b.WriteString("stream {\n")
		upstream("tcp", tcp, "")
		fmt.Fprintf(&b, "  server {\n    listen %s reuseport backlog=4096;\n    proxy_pass tcp;\n  }\n}\n", l.tcp)
	}
	return b.String()
}
