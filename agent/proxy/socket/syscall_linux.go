package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls never block, or not for long, so the scheduler need not be told of them, which
// would cost more than many of them take: hence RawSyscall.

// recv reads into p, which is not empty.
func recv(fd uintptr, p []byte, flags uintptr) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd,
			uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), //nolint:gosec // the kernel takes nothing else
			flags|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// peek tells what a read would meet, without reading: bytes, or that there will
// be none, as the peer has ended or something failed. Neither is nothing yet.
func peek(fd uintptr) (bytes, over bool) {
	var b [1]byte
	n, errno := recv(fd, b[:], unix.MSG_PEEK)
	return n > 0, n == 0 && errno != syscall.EAGAIN
}

// send writes as much of the slices as fits. There is at least one, and none
// is empty.
func send(fd uintptr, slices [][]byte) (int, syscall.Errno) {
	for {
		n, errno := sendOnce(fd, slices)
		if errno != syscall.EINTR {
			return n, errno
		}
	}
}

const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

func sendOnce(fd uintptr, slices [][]byte) (int, syscall.Errno) {
	if len(slices) == 1 {
		p := slices[0]
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd,
			uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), //nolint:gosec // the kernel takes nothing else
			flags, 0, 0)
		return result(n, errno)
	}
	return sendAll(fd, slices)
}

// sendAll stands apart since what it needs of the stack few calls do.
//
//go:noinline
func sendAll(fd uintptr, slices [][]byte) (int, syscall.Errno) {
	var vector [maxSlices]unix.Iovec
	for i, p := range slices {
		vector[i].Base = &p[0]
		vector[i].SetLen(len(p))
	}
	message := unix.Msghdr{Iov: &vector[0]}
	message.SetIovlen(len(slices))
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMSG, fd,
		uintptr(unsafe.Pointer(&message)), //nolint:gosec // the kernel takes nothing else
		flags, 0, 0, 0)
	return result(n, errno)
}

func result(n uintptr, errno syscall.Errno) (int, syscall.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// tells is what the kernel adds to what is received, if it does: how many bytes
// are left, or 1 if that is the peer's end.
type tells struct {
	header unix.Cmsghdr
	left   int32
	_      int32
}

// recvTelling is recv of a socket with TCP_INQ set. What is left is -1 where
// the kernel does not tell.
func recvTelling(fd uintptr, p []byte) (n, left int, errno syscall.Errno) {
	var tell tells
	vector := unix.Iovec{Base: &p[0]}
	vector.SetLen(len(p))
	for {
		message := unix.Msghdr{Iov: &vector, Control: (*byte)(unsafe.Pointer(&tell))} //nolint:gosec // a control message is bytes
		message.SetIovlen(1)
		message.SetControllen(int(unsafe.Sizeof(tell)))
		read, _, errno := unix.RawSyscall6(unix.SYS_RECVMSG, fd,
			uintptr(unsafe.Pointer(&message)), //nolint:gosec // as above
			unix.MSG_DONTWAIT, 0, 0, 0)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno != 0:
			return 0, -1, errno
		case message.Controllen == 0 || tell.header.Level != unix.SOL_TCP || tell.header.Type != unix.TCP_CM_INQ:
			return int(read), -1, 0
		}
		return int(read), int(tell.left), 0
	}
}

// epollWait waits while it holds its processor; the timeout is in milliseconds.
// A thread that the runtime wants something of gets a signal, and EINTR.
func epollWait(poll int, events []unix.EpollEvent, timeout int) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(poll),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), //nolint:gosec // the kernel takes nothing else
		uintptr(timeout), 0, 0)
	return result(n, errno)
}
