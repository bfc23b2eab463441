package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
)

// profile plays all rows that have requests against one process of the agent,
// each for the same time, and has it write a CPU profile of that: what a build
// with -pgo is made with.
func profile(ctx context.Context, o options, dir string, progress io.Writer) error {
	chosen, err := selectRows(rows(o.pace.idle), o.rows)
	if err != nil {
		return err
	}
	output, err := filepath.Abs(o.pgo)
	if err != nil {
		return err
	}
	source, err := repo(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(progress, "bench: building the agent with a profiler")
	program := filepath.Join(dir, "profiled.exe")
	if err := build(ctx, filepath.Join(source, "bench"), program, "./profiled", "-pgo=off"); err != nil {
		return err
	}
	r, err := newRunner(ctx, dir, o.pace, progress)
	defer r.close()
	if err != nil {
		return err
	}
	p, err := r.start(ctx, row{}, agent(agentName, program, "", output))
	if err != nil {
		return err
	}
	defer p.process.stop()
	for _, w := range chosen {
		if w.fresh {
			continue
		}
		result, err := playLoad(ctx, r.plan(w, p))
		if err != nil {
			return err
		}
		fmt.Fprintf(progress, "%s: %d requests, %d errors\n", w.name, result.Requests, result.Errors)
		if result.Errors > 0 {
			return fmt.Errorf("%s: %s", w.name, result.Error)
		}
	}
	p.process.stop()
	if p.process.err != nil {
		return p.process.explain(p.process.err)
	}
	fmt.Fprintln(progress, "written:", output)
	return nil
}
