module github.com/outrigger-sidecar/outrigger/lb/peers

go 1.26.7

require (
	github.com/cncf/xds/go v0.0.0-20260202195803-dba9d589def2
	github.com/outrigger-sidecar/outrigger v0.0.0
	google.golang.org/grpc v1.85.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/envoyproxy/protoc-gen-validate v1.3.3 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260928230214-8a89bd6388cc // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/outrigger-sidecar/outrigger => ../..
