package telemetry

// methods are the request methods that the conventions know, by index; the
// last stands for all others.
var methods = [...]string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY", other}

const otherMethod = len(methods) - 1

func methodOf(name []byte) int {
	for i := range otherMethod {
		if methods[i] == string(name) {
			return i
		}
	}
	return otherMethod
}

// versions are HTTP versions, by index; 0 stands for none.
var versions = [...]string{"", "1.0", "1.1", "2", "3"}

func versionOf(major, minor int) int {
	switch {
	case major == 1 && minor == 0:
		return 1
	case major == 1:
		return 2
	case major == 2, major == 3:
		return major + 1
	}
	return 0
}
