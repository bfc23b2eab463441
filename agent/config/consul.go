package config

import (
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func (c *Consul) spec() spec {
	token := text("token", &c.Token, "", oneWord)
	token.secret = true
	return spec{
		fields: []field{
			text("address", &c.Address, "", orEmpty(consulAddress)),
			token,
			text("token_file", &c.TokenFile, "", printable),
			text("datacenter", &c.Datacenter, "", consulName),
			text("namespace", &c.Namespace, "", consulName),
			text("partition", &c.Partition, "", consulName),
			// Consul cuts longer waits to ten minutes.
			duration("wait", &c.Wait, time.Minute, atLeast(time.Millisecond), atMost(10*time.Minute)),
			duration("start_jitter", &c.StartJitter, 5*time.Second, atMost(time.Minute)),
		},
		blocks: []child{one("tls", c.TLS.spec)},
		done:   c.finish,
	}
}

func (c *Consul) finish(b *block) {
	if c.Token == "" {
		return
	}
	if c.TokenFile != "" {
		b.reject("token_file", "consul has both token and token_file", "keep one of them")
	}
	if literal, ok := b.given["token"].(*hclsyntax.TemplateExpr); ok && literal.IsStringLiteral() {
		b.decoder.report(SeverityWarning, literal.Range(), "the token stands in the configuration for all to read",
			`write token_file = "…" or token = env.NAME`)
	}
}
