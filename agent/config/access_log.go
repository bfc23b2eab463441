package config

import (
	"strings"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/accesslog"
)

func (a *AccessLog) spec() spec {
	return spec{
		fields: []field{
			text("format", &a.Format, accesslog.Off, lineFormat),
			text("output", &a.Output, accesslog.Stdout, notEmpty, printable),
			bind("sample", &a.Sample, 1, parseNumber, between(0.0, 1.0)),
			list("status", &a.Status, nil, parseStatus),
			duration("min_duration", &a.MinDuration, 0),
			boolean("retried", &a.Retried, false),
			boolean("failed", &a.Failed, false),
			list("request_headers", &a.RequestHeaders, nil, parseText, writtenHeader),
			list("response_headers", &a.ResponseHeaders, nil, parseText, writtenHeader),
			bind("buffer", &a.Buffer, 1<<20, parseSize, between(4<<10, 64<<20)),
		},
		done: a.finish,
	}
}

func (a *AccessLog) finish(b *block) {
	if a.Sample == 1 && b.sound("sample", "status", "min_duration", "retried", "failed") {
		for name, picks := range map[string]bool{"status": a.Status != nil, "min_duration": a.MinDuration > time.Duration(0), "retried": a.Retried, "failed": a.Failed} {
			if picks {
				b.reject(name, name+" picks from requests that all have a line", "write a sample below 1, such as sample = 0 for no others")
			}
		}
	}
	if a.Format != accesslog.JSON && a.Format != accesslog.Off && b.sound("format") {
		for name, given := range map[string][]string{"request_headers": a.RequestHeaders, "response_headers": a.ResponseHeaders} {
			if given != nil {
				b.reject(name, name+" is for the format json", "write {"+strings.TrimSuffix(name, "s")+":NAME} into the format instead")
			}
		}
	}
}

// lineFormat is the rule for how a line looks.
func lineFormat(s string) *problem {
	if s == accesslog.Off {
		return nil
	}
	if option, ok := nearest(s, []string{accesslog.Off, accesslog.JSON, accesslog.Common}); ok && option != s && !strings.Contains(s, "{") {
		return wrong("is unknown", `did you mean "`+option+`"?`)
	}
	if _, err := accesslog.Parse(s, nil, nil); err != nil {
		return wrong("is no format", `write off, json, common or one such as "{method} {path} {status}": `+err.Error())
	}
	return nil
}

// writtenHeader is the rule for a header that is written.
func writtenHeader(s string) *problem {
	switch {
	case !isToken(s):
		return wrong("is no name of a header", `write one such as "User-Agent"`)
	case accesslog.Denied(s):
		return wrong("holds credentials", "remove it: it is never written")
	}
	return nil
}
