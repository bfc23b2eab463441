package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// findHAProxy finds it without and with splicing.
func findHAProxy() (plain, spliced contender, err error) {
	program, err := lookPath("haproxy")
	if err != nil {
		return plain, spliced, err
	}
	out, err := exec.Command(program, "-v").CombinedOutput() //nolint:gosec // G204: running programs is the job
	if err != nil {
		return plain, spliced, fmt.Errorf("haproxy -v: %w", err)
	}
	// HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/
	version := "HAProxy"
	if fields := strings.Fields(string(out)); len(fields) > 2 {
		version += " " + fields[2]
	}
	spell := func(name, about string, splice bool) contender {
		return contender{name: name, about: version + about, command: func(l layout) (command, error) {
			path := filepath.Join(l.dir, "haproxy.cfg")
			err := os.WriteFile(path, []byte(haproxyConfig(l, splice)), 0o600)
			return command{args: []string{program, "-db", "-f", path}}, err
		}}
	}
	plain, spliced = spell(haproxyName, ", 2 threads", false), spell(spliceName, ", 2 threads, splice-auto", true)
	spliced.plays = func(r row) bool { return r.bodies }
	return plain, spliced, nil
}

// haproxyConfig has it keep and share connections to backends, and write no
// log. Its threads are as many as the processors of the machine that the
// project's figures are of.
func haproxyConfig(l layout, splice bool) string {
	var b strings.Builder
	b.WriteString(`global
  nbthread 2
  maxconn 6000
defaults
  mode http
  balance roundrobin
  http-reuse always
  timeout connect 5s
  timeout client 5m
  timeout server 5m
`)
	if splice {
		b.WriteString("  option splice-auto\n")
	}
	listen := func(name, mode, address, bind, server string, p protocol) {
		fmt.Fprintf(&b, "listen %s\n  mode %s\n  bind %s%s\n", name, mode, address, bind)
		for i, backend := range behind(l.backends, p) {
			fmt.Fprintf(&b, "  server s%d %s%s\n", i, backend, server)
		}
	}
	for i, address := range l.http {
		listen(fmt.Sprintf("http%d", i), "http", address, "", "", http1)
	}
	listen("h2c", "http", l.h2c, " proto h2", " proto h2", h2c)
	listen("tcp", "tcp", l.tcp, "", "", tcp)
	return b.String()
}

// lookPath finds a program also where the PATH of ordinary users does not lead.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", errors.New(name + " is not installed; on Debian: bench/install.sh")
}
