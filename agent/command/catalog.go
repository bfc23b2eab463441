package command

import (
	"fmt"
	"io"
	"slices"

	"github.com/outrigger-sidecar/outrigger/agent"
)

// catalog is how the watch of an upstream is doing, in a few words.
func catalog(c *agent.CatalogStatus) cell {
	if c == nil {
		return cell{text: "static", colour: dim}
	}
	return watched(c.WatchStatus)
}

func watched(w agent.WatchStatus) cell {
	age := seconds(w.Age).text
	switch {
	case w.Freshness == "waiting" && w.Suspicion != nil:
		return cell{text: "doubted", colour: yellow}
	case w.Freshness == "waiting":
		return cell{text: "waiting", colour: red}
	case w.Suspicion != nil:
		return cell{text: "doubted, " + w.Freshness + " " + age, colour: yellow}
	case w.Freshness != "fresh":
		return cell{text: w.Freshness + " " + age, colour: yellow}
	case w.Error != "":
		return cell{text: "failing, " + age + " old", colour: yellow}
	case w.Hidden:
		return cell{text: "fresh " + age + ", hides some", colour: yellow}
	case w.Polling:
		return text("fresh " + age + ", polled")
	}
	return text("fresh " + age)
}

// headOfCatalog prints what there is to say of an upstream's service in Consul
// beside the age of its watch.
func headOfCatalog(w io.Writer, c *agent.CatalogStatus) {
	if c.Doubt != "" {
		fmt.Fprintf(w, "in doubt: %s; %d kept that Consul does not list\n", printable(c.Doubt), c.Missing)
	}
	// What a place says for all is not said twice.
	if !slices.ContainsFunc(c.Places, func(p agent.Place) bool { return p.Error == c.Error && p.Since.Equal(c.Since) }) {
		headOfWatch(w, "", c.WatchStatus)
	}
	for _, p := range c.Places {
		fmt.Fprintf(w, "place %s: %d instances, %s\n", printable(p.Name), p.Instances, watched(p.WatchStatus).text)
		headOfWatch(w, "  ", p.WatchStatus)
	}
	for _, why := range c.Skipped {
		fmt.Fprintf(w, "left out: %s\n", printable(why))
	}
	for _, what := range c.Notes {
		fmt.Fprintf(w, "odd: %s\n", printable(what))
	}
}

func headOfWatch(w io.Writer, indent string, s agent.WatchStatus) {
	if s.Error != "" {
		fmt.Fprintf(w, "%sConsul: %s\n", indent, printable(s.Error))
	}
	if p := s.Suspicion; p != nil {
		fmt.Fprintf(w, "%ssuspicion for %s, borne out %d of %d times: %s\n", indent, ago(p.Since).text, p.Confirmations, p.Needed, printable(p.Reason))
	}
	if s.Hidden {
		fmt.Fprintf(w, "%sConsul hides instances: the token needs service:read, and node:read on their nodes\n", indent)
	}
	if s.Polling {
		fmt.Fprintf(w, "%sasked now and then, for more services are watched than may wait at Consul at once\n", indent)
	}
}

// checkTable is a row for each check that Consul has of the backends.
func checkTable(e agent.Explanation) *table {
	t := new(table)
	t.header("BACKEND", "CHECK", "OF", "STATUS", "OUTPUT")
	for _, b := range e.Backends {
		for _, c := range b.Catalog.Checks {
			name, of, status := c.ID, "service", c.Status
			if c.Name != "" && c.Name != c.ID {
				name += " (" + c.Name + ")"
			}
			if c.Node {
				of = "node"
			}
			if c.Ignored {
				status += ", ignored"
			}
			t.add(text(printable(b.ID)), text(printable(name)), text(of), text(printable(status)), text(brieflySaid(printable(c.Output))))
		}
	}
	return t
}
