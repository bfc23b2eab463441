package secure

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// material is what was read from the files, once.
type material struct {
	generation  uint64
	sum         [sha256.Size]byte
	at          time.Time
	roots       *x509.CertPool   // nil: those of the system
	certificate *tls.Certificate // nil: none
	sessions    sessions         // made with it
}

// read reads all files, by content, as a time of change may be coarse and a
// link may be turned to another file. What it cannot use has a sum too.
func (c Config) read() (*material, error) {
	m := &material{generation: 1, at: time.Now(), sessions: newSessions()}
	var contents [3][]byte
	sum := sha256.New()
	for i, file := range []string{c.CAFile, c.CertFile, c.KeyFile} {
		if file == "" {
			continue
		}
		var err error
		if contents[i], err = os.ReadFile(file); err != nil {
			m.sum = sha256.Sum256([]byte(err.Error()))
			return m, err // which names the file
		}
		one := sha256.Sum256(contents[i])
		sum.Write(one[:])
	}
	m.sum = [sha256.Size]byte(sum.Sum(nil))
	ca, cert, key := contents[0], contents[1], contents[2]
	if c.CAFile != "" {
		if m.roots = x509.NewCertPool(); !m.roots.AppendCertsFromPEM(ca) {
			return m, fmt.Errorf("ca_file %q holds no certificate (PEM)", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return m, fmt.Errorf("cert_file %q and key_file %q: %w", c.CertFile, c.KeyFile, err)
		}
		m.certificate = &pair
	}
	return m, nil
}

// Warnings are what an operator is to know of what is in force.
func (c *Client) Warnings() (all []string) {
	if c.config.Insecure {
		all = append(all, "insecure_skip_verify: nobody knows who the backends are, and whoever is between can read and change everything; neither ca_file nor match is looked at")
	}
	if own := c.inForce.Load().certificate; own != nil && time.Now().After(own.Leaf.NotAfter) {
		all = append(all, fmt.Sprintf("the certificate in cert_file %q expired at %s", c.config.CertFile, date(own.Leaf.NotAfter)))
	}
	if err := exposed(c.config.KeyFile); err != nil {
		all = append(all, err.Error())
	}
	return all
}

// errExposed says that others than the owner and its group can read a key, or
// than the owner can change it.
var errExposed = errors.New("others can get at it; its mode should be 0600")

func exposed(keyFile string) error {
	if keyFile == "" || runtime.GOOS == "windows" { // which has no modes
		return nil
	}
	if info, err := os.Stat(keyFile); err == nil && info.Mode().Perm()&0o037 != 0 {
		return fmt.Errorf("key_file %q has mode %04o: %w", keyFile, info.Mode().Perm(), errExposed)
	}
	return nil
}
