package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// Measures of the chart, in pixels.
const (
	margin     = 24
	panelWidth = 800
	plotLeft   = 190 // in a panel: where bars begin
	plotWidth  = 360
	rowHeight  = 22
	barHeight  = 14
	aboveRows  = 76 // of a panel: its title and the columns' heads
	belowRows  = 46 // the axis and a gap
	aboveAll   = 78 // the chart's title and legend
	columnGap  = 40
)

// Where the columns of figures end, in a panel.
const (
	p50Ends    = plotLeft + plotWidth + 66
	p99Ends    = p50Ends + 62
	p999Ends   = p99Ends + 62
	failedEnds = p999Ends + 60
)

// The colours: ink and paper, and one hue for three quantiles.
const (
	ink    = "#1f2933"
	faint  = "#6b7785"
	rule   = "#e3e7ec"
	paper  = "#fcfcfa"
	dark   = "#2b4c6f"
	middle = "#7d9dbd"
	light  = "#cfdbe7"
	mark   = "#b4562f"
)

// chart draws reports as SVG, a panel for each: what quantiles of the response
// time every strategy came to, on a logarithmic scale.
func chart(reports []report) []byte {
	columns := 1
	if len(reports) > 1 {
		columns = 2
	}
	var p pen
	tops := make([]int, columns) // where the next panel of each column begins
	for i := range tops {
		tops[i] = aboveAll
	}
	for i, r := range reports {
		c := i % columns
		p.panel(margin+c*(panelWidth+columnGap), tops[c], r)
		tops[c] += panelHeight(r)
	}
	height := aboveAll
	for _, top := range tops {
		height = max(height, top)
	}
	width := 2*margin + columns*panelWidth + (columns-1)*columnGap
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="%s"/>`+"\n", width, height, paper)
	out.Write(legend())
	out.Write(p.out.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func panelHeight(r report) int { return aboveRows + rowHeight*len(r.results) + belowRows }

// legend is the chart's title and what its colours mean.
func legend() []byte {
	var p pen
	p.text(margin, 34, "start", ink, `font-size="18" font-weight="600"`, "Response time of requests by balancing strategy")
	x := margin
	for _, entry := range []struct{ colour, text string }{
		{dark, "half of the requests are faster (p50)"}, {middle, "99% (p99)"}, {light, "99.9% (p99.9)"},
	} {
		p.bar(x, 50, barHeight, entry.colour)
		p.text(x+barHeight+6, 61, "start", faint, "", entry.text)
		x += barHeight + 30 + 6*len(entry.text)
	}
	p.line(x, 50, x, 50+barHeight, mark, `stroke-width="1.5" stroke-dasharray="3 2"`)
	p.text(x+8, 61, "start", faint, "", "p99 of jsq, which sees all queues and speeds")
	return p.out.Bytes()
}

// panel draws one report.
func (p *pen) panel(x, y int, r report) {
	p.text(x, y+18, "start", ink, `font-size="14" font-weight="600"`, r.scenario.name)
	p.text(x, y+36, "start", faint, "", r.scenario.about)
	p.text(x+failedEnds, y+18, "end", faint, `font-size="11"`, r.model.brief())
	a := axisOf(r.results)
	top := y + aboveRows
	bottom := top + rowHeight*len(r.results)
	p.axis(x+plotLeft, top, bottom, a)
	heads := y + aboveRows - 10
	p.text(x+plotLeft, heads, "start", faint, `font-size="11"`, "response time, logarithmic")
	p.text(x+p50Ends, heads, "end", faint, `font-size="11"`, "p50")
	p.text(x+p99Ends, heads, "end", faint, `font-size="11"`, "p99")
	p.text(x+p999Ends, heads, "end", faint, `font-size="11"`, "p99.9")
	p.text(x+failedEnds, heads, "end", faint, `font-size="11"`, "failed")
	for i, result := range r.results {
		p.row(x, top+i*rowHeight, a, result)
	}
	for _, result := range r.results {
		if result.strategy == jsq && result.took.p99 > 0 {
			at := x + plotLeft + a.at(result.took.p99)
			p.line(at, top, at, bottom, mark, `stroke-width="1.5" stroke-dasharray="3 2"`)
		}
	}
}

// row draws one strategy's bars, one over the other, and its figures.
func (p *pen) row(x, y int, a axis, r result) {
	base := y + rowHeight/2 + 4
	weight := ""
	if r.strategy == jsq || r.strategy == jsqBlind {
		weight = `font-style="italic"`
	}
	p.text(x+plotLeft-10, base, "end", ink, weight, r.strategy)
	bar := y + (rowHeight-barHeight)/2
	p.bar(x+plotLeft, bar, a.at(r.took.p999), light)
	p.bar(x+plotLeft, bar, a.at(r.took.p99), middle)
	p.bar(x+plotLeft, bar, a.at(r.took.p50), dark)
	p.text(x+p50Ends, base, "end", ink, "", figure(brief(r.took.p50)))
	p.text(x+p99Ends, base, "end", ink, `font-weight="600"`, figure(brief(r.took.p99)))
	p.text(x+p999Ends, base, "end", ink, "", figure(brief(r.took.p999)))
	if r.failed > 0 {
		p.text(x+failedEnds, base, "end", mark, "", percent(r.failedPart()))
	}
}

// figure sets a number apart from its unit.
func figure(text string) string {
	i := strings.IndexFunc(text, func(c rune) bool { return c >= 'a' && c <= 'z' })
	if i < 0 {
		return text
	}
	return text[:i] + "\u2009" + text[i:] // a thin space
}

// axis draws an axis and its grid.
func (p *pen) axis(x, top, bottom int, a axis) {
	for _, tick := range a.ticks() {
		at := x + a.at(tick)
		p.line(at, top, at, bottom+4, rule, "")
		p.text(at, bottom+18, "middle", faint, `font-size="11"`, tickLabel(tick))
	}
	p.line(x, top, x, bottom+4, faint, "")
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
