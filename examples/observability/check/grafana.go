package main

import (
	"bytes"
	"encoding/json"
)

// dashboard is what Grafana imports, without what it fills in itself.
type dashboard struct {
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Description   string   `json:"description"`
	Tags          []string `json:"tags"`
	SchemaVersion int      `json:"schemaVersion"` // of Grafana 10 and later
	Refresh       string   `json:"refresh"`
	Time          span     `json:"time"`
	GraphTooltip  int      `json:"graphTooltip"` // 1: one crosshair in all panels
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`
}

type span struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// variable is a choice at the top of the dashboard.
type variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label"`
	Type       string      `json:"type"` // datasource or query
	Datasource *datasource `json:"datasource,omitempty"`
	Query      string      `json:"query"`
	Definition string      `json:"definition,omitempty"`
	Refresh    int         `json:"refresh,omitempty"` // 2: as the time range changes
	Sort       int         `json:"sort,omitempty"`    // 1: by the alphabet
	Multi      bool        `json:"multi,omitempty"`
	IncludeAll bool        `json:"includeAll,omitempty"`
	AllValue   string      `json:"allValue,omitempty"`
	Current    *option     `json:"current,omitempty"`
}

// option is what a variable is at first.
type option struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// prometheus is the data source chosen at the top.
func prometheus() *datasource { return &datasource{Type: "prometheus", UID: "${datasource}"} }

// panel is a graph or, with type row, the headline of those after it.
type panel struct {
	ID          int          `json:"id"`
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Description string       `json:"description,omitempty"`
	Collapsed   *bool        `json:"collapsed,omitempty"` // rows only
	GridPos     gridPos      `json:"gridPos"`
	Datasource  *datasource  `json:"datasource,omitempty"`
	Targets     []target     `json:"targets,omitempty"`
	FieldConfig *fieldConfig `json:"fieldConfig,omitempty"`
	Options     any          `json:"options,omitempty"`
	Panels      []panel      `json:"panels,omitempty"` // of a collapsed row; none here
}

type gridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// target is one query of a panel.
type target struct {
	RefID        string `json:"refId"`
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat,omitempty"`
	Format       string `json:"format,omitempty"` // table or heatmap
	Instant      bool   `json:"instant,omitempty"`
	Exemplar     bool   `json:"exemplar,omitempty"`
}

type fieldConfig struct {
	Defaults  fieldDefaults `json:"defaults"`
	Overrides []any         `json:"overrides"`
}

type fieldDefaults struct {
	Unit   string   `json:"unit"`
	Min    *float64 `json:"min,omitempty"`
	Custom any      `json:"custom,omitempty"`
}

// json is the file, the same for the same dashboard.
func (d dashboard) json() []byte {
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	to.SetIndent("", "  ")
	if err := to.Encode(d); err != nil {
		panic(err) // there is nothing in it that cannot be written
	}
	return b.Bytes()
}
