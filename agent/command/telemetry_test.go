package command

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent"
)

func TestTelemetryTables(t *testing.T) {
	s := agent.TelemetryStatus{
		Settings: []agent.TelemetrySetting{
			{Name: "traces.exporters", Value: "otlp", Origin: "env", Variable: "OTEL_TRACES_EXPORTER"},
			{Name: "traces.endpoint", Value: "http://127.0.0.1:4317", Origin: "file"},
			{Name: "traces.headers", Origin: "default"},
		},
		Spans:     agent.TelemetryFates{Offered: 10, Waiting: 1, Exported: 5, Dropped: 3, Failed: 1},
		Failures:  map[string]int64{"traces": 2, "logs": 0},
		AccessLog: &agent.AccessLogStatus{Written: 7, Dropped: 2},
	}
	o := call(t, nil, "status", "-telemetry", "-admin", answers(t, s))
	const want = `SETTING           VALUE                  FROM
traces.exporters  otlp                   OTEL_TRACES_EXPORTER
traces.endpoint   http://127.0.0.1:4317  file
traces.headers    -                      default

                  OFFERED  WAITING  EXPORTED  DROPPED  FAILED
spans                  10        1         5        3       1
access log lines        9        0         7        2       0

2 exports of traces failed
`
	if o.code != 0 || o.stdout != want {
		t.Errorf("exit %d, got\n%s\nwant\n%s", o.code, o.stdout, want)
	}
	o = call(t, nil, "status", "-telemetry", "-admin", answers(t, agent.TelemetryStatus{}))
	if o.stdout != "SETTING  VALUE  FROM\n" {
		t.Errorf("of nothing:\n%s", o.stdout)
	}
	if o = call(t, nil, "status", "-telemetry", "-json", "-admin", answers(t, s)); !json.Valid([]byte(o.stdout)) || !strings.Contains(o.stdout, `"variable":"OTEL_TRACES_EXPORTER"`) {
		t.Errorf("as JSON: %s", o.stdout)
	}
}

// A running agent tells of its telemetry, and a hangup has it open its access
// log again, also where the configuration has a mistake meanwhile.
func TestTelemetryOfAnAgent(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("has no hangup")
	}
	dir := t.TempDir()
	path, access := filepath.Join(dir, "agent.hcl"), filepath.Join(dir, "access.log")
	write := func(more string) {
		t.Helper()
		text := `
admin { listen = "127.0.0.1:0" }
telemetry {
  access_log {
    format = "common"
    output = "` + filepath.ToSlash(access) + `"
  }
}
` + more
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`upstream "shop" {
  listen = "127.0.0.1:0"
  consul { service = "web" }
}`)
	ctx, stop := context.WithCancel(t.Context())
	stdout, stderr := newLines(), newLines()
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, Env{Stdout: stdout, Stderr: stderr}, []string{"agent", "-dev", "-dev-catalog", "127.0.0.1:0", "-config", path})
	}()
	admin := stdout.wait(t, `curl http://([^ ]+)/metrics`)
	o := call(t, nil, "status", "-telemetry", "-admin", admin)
	if o.code != 0 || !strings.Contains(o.stdout, "\nmetrics.exporters  ") {
		t.Errorf("%+v", o)
	}
	if err := os.Rename(access, access+".1"); err != nil {
		t.Fatal(err)
	}
	write("nonsense")
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGHUP)
	}
	if err != nil {
		t.Fatal(err)
	}
	stderr.wait(t, `the configuration has mistakes; the one before stays in force: (event)=outrigger.config.reloaded`)
	if _, err := os.Stat(access); err != nil {
		t.Errorf("the access log was not opened again: %v", err)
	}
	stop()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}
