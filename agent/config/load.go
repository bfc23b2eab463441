package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads the given files (a directory means its *.hcl in name order),
// merges them, fills in defaults and validates. The Config is of use only
// without errors, and zero with them; Diagnostics may hold warnings either way.
func Load(paths ...string) (Config, Diagnostics) {
	var files []file
	var unread Diagnostics
	for _, path := range paths {
		names, err := filesAt(path)
		if err != nil {
			unread = append(unread, unreadable(path, err))
		}
		for _, name := range names {
			if slices.ContainsFunc(files, func(f file) bool { return filepath.Clean(f.name) == filepath.Clean(name) }) {
				continue // given by itself and with its directory
			}
			src, err := os.ReadFile(name)
			if err != nil {
				unread = append(unread, unreadable(name, err))
				continue
			}
			files = append(files, file{name: name, src: src})
		}
	}
	return decode(files, strings.Join(paths, ", "), unread)
}

// Parse reads one configuration from memory. The file name stands in the
// diagnostics, and file("path") is relative to its directory.
func Parse(filename string, src []byte) (Config, Diagnostics) {
	return decode([]file{{name: filename, src: src}}, filename, nil)
}

// Default is the configuration of an agent that nobody configured: every
// default, and no upstream.
func Default() Config {
	var c Config
	c.spec()
	return c
}

// DefaultUpstream is an upstream with every default. It lacks what has none: a
// listener, and a service or servers.
func DefaultUpstream(name string) Upstream {
	u := Upstream{Name: name}
	u.spec()
	return u
}

// file is one source of configuration.
type file struct {
	name string
	src  []byte
}

// filesAt lists the files that a path of the command line means.
func filesAt(path string) ([]string, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path) // in name order
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		// Editors keep their own copies in dot files.
		if !entry.IsDir() && filepath.Ext(name) == ".hcl" && !strings.HasPrefix(name, ".") {
			names = append(names, filepath.Join(path, name))
		}
	}
	if names == nil {
		return nil, errors.New("the directory holds no *.hcl")
	}
	return names, nil
}

func unreadable(path string, err error) Diagnostic {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err // its text repeats the path
	}
	return Diagnostic{File: path, Summary: "cannot read the configuration", Detail: err.Error()}
}
