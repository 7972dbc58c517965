package admincli

import "context"

// Program is what the commands of admins are a part of.
type Program struct {
	// Name is what people type: the first word of each command line.
	Name, Version string
	// Long is what its help says of it.
	Long string
	// Services are its other commands.
	Services []Service
}

// Service is a command that takes its arguments by itself.
type Service struct {
	Name, Short string
	// Words may come next; shells complete them. A tab separates one from what it does.
	Words []string
	// Run carries it out, and returns the exit code. It says what it does when args are `--help`.
	Run func(ctx context.Context, args []string) int
}

// released is the program that people have where nothing else is said.
const released = "carousel"

// service finds one by its name.
func (p Program) service(name string) (Service, bool) {
	for _, each := range p.Services {
		if each.Name == name {
			return each, true
		}
	}
	return Service{}, false
}
