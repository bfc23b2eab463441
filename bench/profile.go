package main

import (
	"context"
	"errors"
	"io"
)

// profile is to come.
func profile(context.Context, options, string, io.Writer) error { return errors.ErrUnsupported }
