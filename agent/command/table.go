package command

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
)

// table is rows of cells, whose columns line up. The first row is the header.
type table struct{ rows [][]cell }

// cell is a text and the colour that a terminal shows it in.
type cell struct {
	text   string
	colour colour
	right  bool // aligned to the right, as numbers are
}

type colour string

const (
	plain  colour = ""
	bold   colour = "1"
	dim    colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

func (t *table) header(names ...string) {
	row := make([]cell, len(names))
	for i, name := range names {
		row[i] = cell{text: name, colour: bold}
	}
	t.rows = append(t.rows, row)
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// write prints the table, in colour where w is a terminal that wants it.
func (t *table) write(w io.Writer, coloured bool) {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for n, row := range t.rows {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			text := c.text
			if coloured && c.colour != plain && text != "" {
				text = "\x1b[" + string(c.colour) + "m" + text + "\x1b[0m"
			}
			right := c.right || n == 0 && len(t.rows) > 1 && i < len(t.rows[1]) && t.rows[1][i].right
			if right {
				line.WriteString(pad + text)
			} else {
				line.WriteString(text + pad)
			}
			line.WriteString("  ")
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// coloured tells whether to use colour on w: on a terminal only, and not where
// people asked for none (no-color.org).
func coloured(env Env, w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb" && isatty.IsTerminal(f.Fd())
}

func text(s string) cell { return cell{text: s} }

func number(format string, args ...any) cell {
	return cell{text: fmt.Sprintf(format, args...), right: true}
}

// share shows a part of 1 in percent.
func share(f float64) cell {
	switch {
	case f == 0:
		return number("0%%")
	case f < 0.1:
		return number("%.1f%%", 100*f)
	}
	return number("%.0f%%", 100*f)
}

// seconds shows a duration with three digits.
func seconds(s float64) cell {
	if s == 0 {
		return number("-")
	}
	return number("%s", brief(time.Duration(s*float64(time.Second))))
}

// brief rounds a duration to what a person wants to see of it.
func brief(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(math.Round(d.Hours()/24)))
	case d >= time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// ago shows how long something lasts.
func ago(t time.Time) cell {
	if t.IsZero() {
		return number("-")
	}
	return number("%s", brief(max(time.Since(t), 0).Round(time.Second)))
}

// printable keeps control characters that came from elsewhere, such as a
// check's output, from the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func stateColour(state string) colour {
	switch state {
	case "up":
		return green
	case "pending", "draining":
		return yellow
	case "down", "ejected":
		return red
	}
	return plain
}
