package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// Measures of the chart, in pixels.
const (
	margin     = 24
	panelWidth = 660
	plotLeft   = 116 // in a panel: where bars begin
	plotWidth  = 220
	rowHeight  = 20
	barHeight  = 12
	aboveRows  = 52 // of a panel: its title and the columns' heads
	belowRows  = 26
	aboveAll   = 92 // the chart's title and what it is of
	columnGap  = 36
)

// Where the columns of figures end, in a panel.
const (
	mainEnds  = plotLeft + plotWidth + 60
	ratioEnds = mainEnds + 84
	rateEnds  = ratioEnds + 84
	p99Ends   = rateEnds + 84
)

// The colours: ink and paper, ours and theirs.
const (
	ink   = "#1f2933"
	faint = "#6b7785"
	rule  = "#e3e7ec"
	paper = "#fcfcfa"
	dark  = "#2b4c6f"
	light = "#b9c9d9"
	mark  = "#b4562f"
)

// chart draws the report as SVG: a panel for each row, with what matters most in
// it as bars from nothing on, and lines from the least round to the most.
func (r report) chart() []byte {
	ours := make(map[string]bool)
	for _, c := range r.Of {
		ours[c.Name] = !slices.Contains(peers(), c.Name)
	}
	var p pen
	var tops [2]int // where the next panel of each column begins
	columns := min(len(tops), max(len(r.Rows), 1))
	height := aboveAll
	for _, o := range r.Rows {
		c := 0
		if columns > 1 && tops[1] < tops[0] {
			c = 1
		}
		tops[c] += p.panel(margin+c*(panelWidth+columnGap), aboveAll+tops[c], o, ours)
		height = max(height, aboveAll+tops[c])
	}
	width := 2*margin + columns*panelWidth + (columns-1)*columnGap
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="%s"/>`+"\n", width, height, paper)
	out.Write(r.title())
	out.Write(p.out.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// title says what is measured, by which command, where and when.
func (r report) title() []byte {
	var p pen
	p.text(margin, 34, "start", ink, `font-size="18" font-weight="600"`, "What a request costs, by proxy")
	p.text(margin, 54, "start", faint, "", fmt.Sprintf("medians of %d rounds of %gs in turn, lines from the least to the most; less is better but for requests/s", r.Rounds, r.Seconds))
	var versions []string
	for _, c := range r.Of {
		if slices.Contains([]string{haproxyName, nginxName}, c.Name) {
			version, _, _ := strings.Cut(c.About, ",")
			versions = append(versions, version)
		}
	}
	p.text(margin, 72, "start", faint, "", strings.Join(append([]string{r.Command, r.Date.Format("2006-01-02"), r.Machine}, versions...), " · "))
	return p.out.Bytes()
}

// panel draws a row, and returns its height.
func (p *pen) panel(x, y int, o outcome, ours map[string]bool) (height int) {
	of := o.Metrics[0]
	most := 0.0
	var shown []result
	for _, r := range o.Results {
		// Who has nothing but an error is shown with it.
		if s, ok := r.Metrics[of]; ok || r.Error != "" {
			shown = append(shown, r)
			most = max(most, s.Max)
		}
	}
	p.text(x, y+16, "start", ink, `font-size="13" font-weight="600"`, o.About)
	heads := y + aboveRows - 10
	p.text(x+plotLeft, heads, "start", faint, `font-size="11"`, string(of))
	p.text(x+ratioEnds, heads, "end", faint, `font-size="11"`, "to "+haproxyName)
	timed := slices.Contains(o.Metrics, rate)
	if timed {
		p.text(x+rateEnds, heads, "end", faint, `font-size="11"`, string(rate))
		p.text(x+p99Ends, heads, "end", faint, `font-size="11"`, string(p99))
	}
	for i, r := range shown {
		row := y + aboveRows + i*rowHeight
		base := row + rowHeight/2 + 4
		fill, weight := light, ""
		if ours[r.Name] {
			fill, weight = dark, `font-weight="600"`
		}
		p.text(x+plotLeft-8, base, "end", ink, weight, r.Name)
		if r.Error != "" {
			p.text(x+plotLeft, base, "start", mark, "", "failed: see the table")
			continue
		}
		p.bars(x+plotLeft, row, r.Metrics[of], most, fill)
		p.text(x+mainEnds, base, "end", ink, weight, figure(r.Metrics[of].Median))
		if s, ok := r.Ratios[haproxyName][of]; ok {
			p.text(x+ratioEnds, base, "end", ink, weight, "× "+figure(s.Median))
		}
		if timed {
			p.text(x+rateEnds, base, "end", ink, "", figure(r.Metrics[rate].Median))
			p.text(x+p99Ends, base, "end", ink, "", figure(r.Metrics[p99].Median))
		}
	}
	bottom := y + aboveRows + len(shown)*rowHeight
	p.line(x+plotLeft, y+aboveRows, x+plotLeft, bottom, faint, "")
	return bottom + belowRows - y
}

// bars draws a median and the spread around it.
func (p *pen) bars(x, y int, s spread, most float64, fill string) {
	at := func(v float64) int { return x + int(max(v, 0)/max(most, 1e-9)*plotWidth+0.5) }
	p.bar(x, y+(rowHeight-barHeight)/2, at(s.Median)-x, fill)
	if s.Rounds > 1 {
		middle := y + rowHeight/2
		p.line(at(s.Min), middle, at(s.Max), middle, mark, `stroke-width="1.5"`)
	}
}

// pen writes elements of SVG.
type pen struct{ out bytes.Buffer }

func (p *pen) bar(x, y, width int, fill string) {
	fmt.Fprintf(&p.out, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", x, y, width, barHeight, fill)
}

func (p *pen) line(x1, y1, x2, y2 int, stroke, more string) {
	fmt.Fprintf(&p.out, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" %s/>`+"\n", x1, y1, x2, y2, stroke, more)
}

func (p *pen) text(x, y int, anchor, fill, more, text string) {
	fmt.Fprintf(&p.out, `<text x="%d" y="%d" text-anchor="%s" fill="%s" %s>`, x, y, anchor, fill, more)
	_ = xml.EscapeText(&p.out, []byte(text)) // a buffer takes everything
	p.out.WriteString("</text>\n")
}
