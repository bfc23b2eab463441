package agent

import "github.com/outrigger-sidecar/outrigger/telemetry"

// TelemetryStatus is what telemetry goes by, and how it is doing: GET
// /v1/telemetry and `outrigger status -telemetry`.
type TelemetryStatus struct {
	Settings   []TelemetrySetting `json:"settings"`
	Spans      TelemetryFates     `json:"spans"` // for each exporter
	LogRecords TelemetryFates     `json:"log_records"`
	Failures   map[string]int64   `json:"failed_exports"` // by signal
	AccessLog  *AccessLogStatus   `json:"access_log,omitempty"`
}

// TelemetrySetting is one setting, and who said so.
type TelemetrySetting struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Origin   string `json:"origin"`             // env, file or default
	Variable string `json:"variable,omitempty"` // of the environment
}

// TelemetryFates is what became of spans or log records.
type TelemetryFates struct {
	Offered  int64 `json:"offered"` // to the exporters' queues
	Waiting  int64 `json:"waiting"`
	Dropped  int64 `json:"dropped"` // since a queue was full
	Exported int64 `json:"exported"`
	Failed   int64 `json:"failed"`
}

// AccessLogStatus counts the access log's lines.
type AccessLogStatus struct {
	Written int64 `json:"written"`
	Dropped int64 `json:"dropped"` // since too many waited
	Failed  int64 `json:"failed"`
}

func (a *Agent) telemetryStatus() TelemetryStatus {
	stats := a.telemetry.Stats()
	s := TelemetryStatus{
		Settings: []TelemetrySetting{}, Spans: TelemetryFates(stats.Spans), LogRecords: TelemetryFates(stats.Records), Failures: stats.Failures,
		AccessLog: (*AccessLogStatus)(a.access.lines()),
	}
	for _, setting := range a.telemetry.Settings() {
		s.Settings = append(s.Settings, TelemetrySetting(setting))
	}
	return s
}

// Upstreams implements telemetry.Source.
func (a *Agent) Upstreams() []telemetry.Upstream {
	list := a.list()
	out := make([]telemetry.Upstream, len(list))
	for i, u := range list {
		out[i] = u.measured()
	}
	return out
}

// Agent implements telemetry.Source.
func (a *Agent) Agent() telemetry.AgentState {
	a.mu.RLock()
	defer a.mu.RUnlock()
	s := telemetry.AgentState{LastReload: a.started, AccessLog: a.access.lines(), Descriptors: a.descriptors}
	probes := a.probes.Stats()
	s.ProbesLate, s.ProbesSkipped = probes.Late, probes.Skipped
	if a.reload != nil && a.reload.Error == "" {
		s.LastReload = a.reload.At
	}
	return s
}
