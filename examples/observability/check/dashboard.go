package main

import "strings"

// row is a headline and its panels. IDs are made of its number and theirs in
// the row, so that one more panel changes no other.
type row struct {
	title  string
	panels []view
}

// view is a panel in few words.
type view struct {
	title   string
	tells   string // what to read from it
	unit    string // Grafana's word
	queries []query
	kind    kind
}

// kind is how a view is drawn.
type kind int

const (
	lines   kind = iota
	stacked      // lines upon each other, where the sum means something
	heat         // a histogram's buckets over time
	table        // labels as columns, now
)

// query is an expression, in which $of stands for the chosen agents and
// upstreams, $all for the chosen agents and [$r] for the range of rates.
type query struct{ expr, legend string }

// outrigger is the dashboard.
func outrigger() dashboard {
	d := dashboard{
		UID: "outrigger", Title: "Outrigger", Tags: []string{"outrigger"}, SchemaVersion: 39, Refresh: "30s",
		Description:  "Upstreams as apps see them through their agents, the backends behind, and the agents themselves.",
		Time:         span{"now-1h", "now"},
		GraphTooltip: 1,
	}
	choice := func(name, label, from string) variable {
		q := "label_values(" + from + ")"
		return variable{
			Name: name, Label: label, Type: "query", Datasource: prometheus(), Query: q, Definition: q,
			Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".*",
			Current: &option{"All", "$__all"},
		}
	}
	d.Templating.List = []variable{
		{Name: "datasource", Label: "Prometheus", Type: "datasource", Query: "prometheus"},
		choice("instance", "Agent", "outrigger_build_info, instance"),
		choice("upstream", "Upstream", `outrigger_backend_count{instance=~"$instance"}, outrigger_upstream_name`),
	}
	y := 0
	for i, r := range []row{requests(), backends(), resilience(), discovery(), agents()} {
		open := false
		d.Panels = append(d.Panels, panel{ID: 100 * (i + 1), Type: "row", Title: r.title, Collapsed: &open, GridPos: gridPos{H: 1, W: 24, Y: y}})
		y++
		for j, v := range r.panels {
			at := gridPos{H: 8, W: 8, X: 8 * (j % 3), Y: y + 8*(j/3)}
			d.Panels = append(d.Panels, v.panel(100*(i+1)+j+1, at))
		}
		y += 8 * ((len(r.panels) + 2) / 3)
	}
	return d
}

func (v view) panel(id int, at gridPos) panel {
	zero := 0.0
	p := panel{
		ID: id, Type: "timeseries", Title: v.title, Description: v.tells, GridPos: at, Datasource: prometheus(),
		FieldConfig: &fieldConfig{Defaults: fieldDefaults{Unit: v.unit, Min: &zero}, Overrides: []any{}},
		Options:     map[string]any{"legend": map[string]any{"displayMode": "list", "placement": "bottom"}, "tooltip": map[string]any{"mode": "multi", "sort": "desc"}},
	}
	switch v.kind {
	case stacked:
		p.FieldConfig.Defaults.Custom = map[string]any{"fillOpacity": 20, "stacking": map[string]any{"mode": "normal"}}
	case heat:
		p.Type, p.Options = "heatmap", map[string]any{"calculate": false, "yAxis": map[string]any{"unit": v.unit}}
	case table:
		p.Type, p.Options = "table", map[string]any{"showHeader": true}
	}
	for i, q := range v.queries {
		t := target{RefID: string(rune('A' + i)), Expr: q.text(), LegendFormat: q.legend}
		switch v.kind {
		case heat:
			t.Format = "heatmap"
		case table:
			t.Format, t.Instant = "table", true
		}
		// Only durations of HTTP requests carry trace IDs.
		t.Exemplar = strings.HasPrefix(q.expr, "histogram_quantile(") && strings.Contains(q.expr, "(http_") && strings.Contains(q.expr, "_duration_")
		p.Targets = append(p.Targets, t)
	}
	return p
}

func (q query) text() string {
	return strings.NewReplacer(
		"$of", `instance=~"$instance",outrigger_upstream_name=~"$upstream"`,
		"$all", `instance=~"$instance"`,
		"[$r]", "[$__rate_interval]",
	).Replace(strings.Join(strings.Fields(q.expr), " "))
}
