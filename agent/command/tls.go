package command

import (
	"fmt"
	"io"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent"
)

// headOfTLS prints how TLS to the backends is doing, and with which it fails.
func headOfTLS(w io.Writer, e agent.Explanation) {
	t := e.TLS
	if t == nil {
		return
	}
	fmt.Fprintf(w, "TLS: files read %s ago", ago(t.Read).text)
	if !t.Expires.IsZero() {
		fmt.Fprintf(w, "; the agent's certificate expires at %s", t.Expires.UTC().Format(time.RFC3339))
	}
	if t.Insecure {
		fmt.Fprint(w, "; any certificate is taken (insecure_skip_verify)")
	}
	fmt.Fprintln(w)
	if t.Error != "" {
		fmt.Fprintf(w, "TLS: what is in the files now cannot be used: %s\n", printable(t.Error))
	}
	for _, b := range e.Backends {
		if b.TLS != nil {
			fmt.Fprintf(w, "%s, for %s: %s\n", printable(b.ID), ago(b.TLS.Since).text, printable(b.TLS.Error))
		}
	}
}
