package consul

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	var got string
	address := consulIs(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("X-Consul-Token")
		_, _ = io.WriteString(w, "[]")
	})
	dir := t.TempDir()
	file, other := filepath.Join(dir, "token"), filepath.Join(dir, "other")
	write := func(path, token string) {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	empty := filepath.Join(dir, "empty")
	write(file, "from-file")
	write(other, "from-env-file")
	write(empty, "")
	for _, tt := range []struct {
		name   string
		config Config
		env    map[string]string
		want   string
	}{
		{"none", Config{}, nil, ""},
		{"configured", Config{Token: "configured"}, map[string]string{"CONSUL_HTTP_TOKEN": "from-env", "CONSUL_HTTP_TOKEN_FILE": other}, "configured"},
		{"file", Config{TokenFile: file}, map[string]string{"CONSUL_HTTP_TOKEN": "from-env"}, "from-file"},
		{"environment", Config{}, map[string]string{"CONSUL_HTTP_TOKEN": "from-env"}, "from-env"},
		{"an empty file is no token, whatever the environment says", Config{TokenFile: empty}, map[string]string{"CONSUL_HTTP_TOKEN": "from-env"}, ""},
		{"a file of the environment that is not needed", Config{Token: "configured"}, map[string]string{"CONSUL_HTTP_TOKEN_FILE": dir + "/gone"}, "configured"},
		{"the same token in both", Config{Token: "from-env"}, map[string]string{"CONSUL_HTTP_TOKEN": "from-env"}, "from-env"},
		{"file in the environment", Config{}, map[string]string{"CONSUL_HTTP_TOKEN": "from-env", "CONSUL_HTTP_TOKEN_FILE": other}, "from-env-file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			tt.config.Address = address
			if _, err := clientOf(t, tt.config).Source(Query{Service: "web"}).Fetch(t.Context(), 0); err != nil || got != tt.want {
				t.Errorf("sent %q, %v", got, err)
			}
		})
	}
	client := clientOf(t, Config{Address: address, TokenFile: file})
	write(file, "rotated")
	if _, err := client.Source(Query{Service: "web"}).Fetch(t.Context(), 0); err != nil || got != "rotated" {
		t.Errorf("after a rotation sent %q, %v", got, err)
	}
	os.Remove(file)
	if _, err := client.Source(Query{Service: "web"}).Fetch(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "token file") {
		t.Errorf("without its file: %v", err)
	}
}
