package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/rewrite"
)

func (h *Headers) spec() spec {
	return spec{
		fields: []field{
			boolean("x_forwarded", &h.XForwarded, true),
			boolean("via", &h.Via, true),
			boolean("forwarded", &h.Forwarded, false),
			boolean("request_id", &h.RequestID, false),
			list("trusted_peers", &h.TrustedPeers, thisMachine(), parsePrefix),
		},
		blocks: []child{
			one("request", h.Request.spec),
			one("response", h.Response.spec),
		},
	}
}

func (r *HeaderRules) spec() spec {
	return spec{
		fields: []field{
			bind("set", &r.Set, nil, parseTexts, headerValues),
			bind("add", &r.Add, nil, parseTexts, headerValues),
			list("remove", &r.Remove, nil, parseText, headerName),
		},
		done: func(b *block) {
			if !b.sound("set", "remove") {
				return
			}
			for _, name := range r.Remove {
				for set := range r.Set {
					if strings.EqualFold(name, set) {
						b.reject("remove", fmt.Sprintf("remove has %q, which set replaces anyway", name), "keep it in one of them")
					}
				}
			}
		},
	}
}

// headerName is the rule for a header that is changed.
func headerName(s string) *problem {
	if err := rewrite.CheckName(s); err != nil {
		return wrong("cannot be changed", err.Error())
	}
	return nil
}

// headerValues is the rule for headers and what becomes of them. The values may
// be secrets, and are not repeated.
func headerValues(m map[string]string) *problem {
	seen := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if err := rewrite.CheckName(name); err != nil {
			return wrong(fmt.Sprintf("has %q, which cannot be changed", name), err.Error())
		}
		if err := rewrite.CheckValue(m[name]); err != nil {
			return wrong(fmt.Sprintf("has a mistake at %q", name), "its value "+err.Error())
		}
		if lower := strings.ToLower(name); seen[lower] {
			return wrong(fmt.Sprintf("has %q twice", name), "case makes no difference to the name of a header")
		} else {
			seen[lower] = true
		}
	}
	return nil
}
