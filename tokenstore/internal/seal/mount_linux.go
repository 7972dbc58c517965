package seal

import "syscall"

// readOnlyMount tells whether the file is on a file system that is mounted read-only.
func readOnlyMount(path string) bool {
	const readOnly = 1 // ST_RDONLY
	var found syscall.Statfs_t
	return syscall.Statfs(path, &found) == nil && found.Flags&readOnly != 0
}
