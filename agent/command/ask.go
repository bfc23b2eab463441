package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// defaultAdmin is where an agent answers that was not told otherwise.
const defaultAdmin = "127.0.0.1:9917"

// adminFlag adds the flag that says where the agent answers.
func adminFlag(env Env, flags *flag.FlagSet) *string {
	address := env.Getenv("OUTRIGGER_ADMIN")
	if address == "" {
		address = defaultAdmin
	}
	return flags.String("admin", address, "where the agent answers, `host:port`; OUTRIGGER_ADMIN sets the default")
}

// ask gets a JSON answer from the agent. The raw text is returned too, so that
// -json prints what the agent said.
func ask(ctx context.Context, admin, path string, answer any) (raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	base := strings.TrimSuffix(admin, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("-admin %q is no address such as %s", admin, defaultAdmin)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no agent answers at %s (-admin or OUTRIGGER_ADMIN says where it does): %w", admin, err)
	}
	defer resp.Body.Close()
	if raw, err = io.ReadAll(io.LimitReader(resp.Body, 64<<20)); err != nil {
		return nil, fmt.Errorf("the answer of %s broke off: %w", admin, err)
	}
	if resp.StatusCode != http.StatusOK {
		var problem struct{ Error string }
		if json.Unmarshal(raw, &problem) == nil && problem.Error != "" {
			return nil, fmt.Errorf("%s", problem.Error)
		}
		return nil, fmt.Errorf("%s answered %s: is that an outrigger agent?", admin, resp.Status)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return nil, fmt.Errorf("%s gave an answer that is no outrigger agent's: %w", admin, err)
	}
	return raw, nil
}
