module github.com/outrigger-sidecar/outrigger/bench

go 1.26.7

replace github.com/outrigger-sidecar/outrigger => ..

require (
	go.uber.org/goleak v1.3.0
	golang.org/x/net v0.60.0
	golang.org/x/sys v0.48.0
)

require golang.org/x/text v0.42.0 // indirect
