#!/bin/sh
# Installs the peers that the bench compares with, on Debian and its kin, and
# keeps them from running as services.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends haproxy nginx-light libnginx-mod-stream
for service in haproxy nginx; do
  if command -v systemctl >/dev/null && systemctl is-system-running >/dev/null 2>&1; then
    systemctl disable --now "$service" || true
  fi
done
haproxy -v | head -n 1
nginx -v
