// Package suites plays test suites of others against the agent, as a process
// of its own that is built from the source above: h2spec for HTTP/2, the interop
// cases of gRPC, and slowhttptest, where that is installed. It is a module of its
// own so that the agent does not have to know of what the suites are made of.
package suites
