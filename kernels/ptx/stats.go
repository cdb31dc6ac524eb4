package ptx

// Stats are the figures of one or several launches.
type Stats struct {
	Instructions     int64 // of warps
	LaneInstructions int64 // of threads: an instruction counts once for each lane that is at it

	// Global memory, loads and stores alike. Hardware moves it in sectors of 32 bytes; an access is coalesced when the lanes
	// of a warp ask for no more sectors than their bytes fill, and efficiency is GlobalBytes / (32 * GlobalSectors).
	GlobalAccesses int64 // instructions of warps
	GlobalBytes    int64 // asked for by lanes
	GlobalSectors  int64 // touched by them, each counted once in an instruction

	// Shared memory has 32 banks of 4 bytes. A warp's access takes as many passes as the busiest bank has different words
	// to deliver; the passes over the least possible number are bank conflicts.
	SharedAccesses int64
	SharedPasses   int64
	BankConflicts  int64
}

func (s *Stats) add(t *Stats) {
	s.Instructions += t.Instructions
	s.LaneInstructions += t.LaneInstructions
	s.GlobalAccesses += t.GlobalAccesses
	s.GlobalBytes += t.GlobalBytes
	s.GlobalSectors += t.GlobalSectors
	s.SharedAccesses += t.SharedAccesses
	s.SharedPasses += t.SharedPasses
	s.BankConflicts += t.BankConflicts
}

// globalAccess counts an access of n bytes at the address of each lane in m.
func (s *Stats) globalAccess(addr *[32]uint64, m uint32, n int) {
	s.GlobalAccesses++
	var sectors [32]uint64
	count := 0
	for l := range 32 {
		if m>>l&1 == 0 {
			continue
		}
		s.GlobalBytes += int64(n)
		sector, known := addr[l]/32, false // aligned accesses of up to 16 bytes lie in one sector
		for i := count - 1; i >= 0 && !known; i-- {
			known = sectors[i] == sector
		}
		if !known {
			sectors[count] = sector
			count++
		}
	}
	s.GlobalSectors += int64(count)
}

// sharedAccess counts an access of n bytes at the address of each lane in m: all lanes in one pass for up to 4 bytes, a
// half of the warp at a time for 8, a quarter for 16.
func (s *Stats) sharedAccess(addr *[32]uint64, m uint32, n int) {
	s.SharedAccesses++
	lanes := 32
	if n > 4 {
		lanes = 128 / n
	}
	for first := 0; first < 32; first += lanes {
		part := m >> first & (1<<lanes - 1)
		if part == 0 {
			continue
		}
		var words [32][]uint64
		var room [32][2]uint64
		busiest := 0
		for l := range lanes {
			if part>>l&1 == 0 {
				continue
			}
			for q := addr[first+l] / 4; q <= (addr[first+l]+uint64(n)-1)/4; q++ {
				bank, known := q%32, false
				for _, have := range words[bank] {
					known = known || have == q
				}
				if !known {
					if words[bank] == nil {
						words[bank] = room[bank][:0]
					}
					words[bank] = append(words[bank], q)
					busiest = max(busiest, len(words[bank]))
				}
			}
		}
		s.SharedPasses += int64(busiest)
		s.BankConflicts += int64(busiest - 1)
	}
}
