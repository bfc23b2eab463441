package config

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// evaluate gives the value of an expression, in which env.NAME and file("path")
// may be used. Without ok it has reported why there is none.
func (d *decoder) evaluate(e hclsyntax.Expression) (v cty.Value, ok bool) {
	at := e.Range()
	if slices.ContainsFunc(d.broken[at.Filename], at.Overlaps) || !d.allowed(e) {
		return cty.NilVal, false
	}
	env, ok := d.environment(e)
	if !ok {
		return cty.NilVal, false
	}
	v, diags := e.Value(&hcl.EvalContext{
		Variables: map[string]cty.Value{"env": cty.ObjectVal(env)},
		Functions: map[string]function.Function{"file": fileFunction(filepath.Dir(at.Filename))},
	})
	d.reportHCL(diags...)
	// Unknown is what the parser leaves in the place of what it could not read.
	return v, !diags.HasErrors() && v.IsWhollyKnown()
}

// allowed refuses what makes a short expression long to evaluate.
func (d *decoder) allowed(e hclsyntax.Expression) bool {
	before := len(d.diags)
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.ForExpr:
			d.report(SeverityError, n.Range(), "a for expression has no place here", "write its values out")
		case *hclsyntax.LiteralValueExpr:
			if n.Val.Type() == cty.Number && n.Val.IsKnown() && !n.Val.IsNull() && outsized(n.Val.AsBigFloat()) {
				d.report(SeverityError, n.Range(), "this number is beyond all bounds", "write one with fewer digits")
			}
		}
		return nil
	})
	return len(d.diags) == before
}

func outsized(f *big.Float) bool {
	exponent := f.MantExp(nil)
	return exponent < -1024 || exponent > 1024 // a float64 holds no more
}

// environment collects the variables that an expression uses as env.NAME, and
// reports those that are not set and every other name.
func (d *decoder) environment(e hclsyntax.Expression) (env map[string]cty.Value, ok bool) {
	env, ok = map[string]cty.Value{}, true
	for _, use := range e.Variables() {
		root := use.RootName()
		if root != "env" {
			ok = false
			d.report(SeverityError, use.SourceRange(), fmt.Sprintf("%s is no known name", root),
				fmt.Sprintf("write text in quotes, %q, and variables of the environment as env.NAME", root))
			continue
		}
		name, named := environmentName(use)
		if !named {
			continue // not one variable: no attribute takes such a value
		}
		value, set := os.LookupEnv(name)
		if !set {
			ok = false
			d.report(SeverityError, use.SourceRange(), fmt.Sprintf("the environment has no variable %s", name),
				"set it, or write the value here")
			continue
		}
		env[name] = cty.StringVal(value)
	}
	return env, ok
}

// environmentName is NAME of env.NAME and env["NAME"].
func environmentName(use hcl.Traversal) (string, bool) {
	if len(use) < 2 {
		return "", false
	}
	switch step := use[1].(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String {
			return step.Key.AsString(), true
		}
	}
	return "", false
}

// maxFile bounds what file("path") reads: it is for tokens and names.
const maxFile = 1 << 20

// fileFunction makes file("path"), which gives a file's text without the
// newlines at its end. Relative paths start at dir.
func fileFunction(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := args[0].AsString()
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			text, err := readSmall(path)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(strings.TrimRight(text, "\r\n")), nil
		},
	})
}

func readSmall(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular(): // reading a pipe could wait for ever
		return "", errors.New(path + " is not a regular file")
	case info.Size() > maxFile:
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	text, err := os.ReadFile(path)
	return string(text), err
}
