package data

import (
	"sync"
	"sync/atomic"
)

// parallel calls f(0) .. f(n-1) from that many goroutines and returns the error of the lowest number. After an error no
// more are begun; as they begin in order, it is the same error every time.
func parallel(workers, n int, f func(i int) error) error {
	var (
		group sync.WaitGroup
		next  atomic.Int64
		mutex sync.Mutex
		first = n
		err   error
	)
	for range min(workers, n) {
		group.Go(func() {
			for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
				if e := f(i); e != nil {
					next.Store(int64(n))
					mutex.Lock()
					if i < first {
						first, err = i, e
					}
					mutex.Unlock()
				}
			}
		})
	}
	group.Wait()
	return err
}
