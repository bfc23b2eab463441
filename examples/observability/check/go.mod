module github.com/outrigger-sidecar/outrigger/examples/observability/check

go 1.26.7
