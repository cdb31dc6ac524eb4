package ptx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// program is a kernel in PTX that a test runs: void test(u32 *out, u32 *in). Its text is that of the body; %o, %i, %t hold
// out, in and the thread's number in its block, and %r, %l, %p, %f are there to use.
type program struct {
	name    string
	body    string
	threads int
	blocks  int
	in      []uint32
	room    int // words of out; 0 means one for each thread
	want    func(i int) uint32
	kind    Kind   // the fault that it has to have
	line    string // the instruction that has to be named with the fault
	outside string // module-level text
}

func (p program) text() string {
	return ".version 8.1\n.target sm_80\n.address_size 64\n" + p.outside + `
.visible .entry test(.param .u64 out, .param .u64 in) {
.reg .pred %p<20>; .reg .b16 %h<10>; .reg .b32 %r<40>; .reg .f32 %f<40>; .reg .b64 %l<40>; .reg .b64 %o, %i, %a; .reg .b32 %t, %s;
ld.param.u64 %o, [out]; ld.param.u64 %i, [in]; mov.u32 %t, %tid.x; mad.wide.u32 %a, %t, 4, %o;
` + p.body + "\n}\n"
}

func (p program) run(t *testing.T, o Options) ([]uint32, error) {
	t.Helper()
	m, err := Parse("test.ptx", p.text())
	if err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	mem := NewMemory(1<<24, true)
	raw := make([]byte, 4*len(p.in))
	for i, v := range p.in {
		binary.LittleEndian.PutUint32(raw[4*i:], v)
	}
	words, blocks := p.room, max(p.blocks, 1)
	if words == 0 {
		words = p.threads
	}
	in, out := room(t, mem, len(raw)), room(t, mem, 4*words)
	if err := mem.CopyIn(in, raw); err != nil {
		t.Fatal(err)
	}
	l := Launch{Grid: [3]int{blocks, 1, 1}, Block: [3]int{p.threads, 1, 1}, Args: []uint64{out, in}, ArgSizes: []int{8, 8}}
	if strings.Contains(p.text(), "extern .shared") {
		l.Shared = 1024
	}
	if o.Steps == 0 {
		o.Steps = 1 << 16
	}
	if err := kernel(t, m, "test").Run(mem, l, o); err != nil {
		return nil, err
	}
	res := make([]byte, 4*words)
	if p.want != nil {
		if err := mem.CopyOut(res, out); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
	}
	got := make([]uint32, words)
	for i := range got {
		got[i] = binary.LittleEndian.Uint32(res[4*i:])
	}
	return got, nil
}

func count(n int) []uint32 {
	out := make([]uint32, n)
	for i := range out {
		out[i] = uint32(i)
	}
	return out
}

// TestPrograms runs what one instruction alone does not show.
func TestPrograms(t *testing.T) {
	for _, p := range programs() {
		for _, o := range []Options{{Check: true, Races: true, Stats: &Stats{}}, {}, {Workers: 3}} {
			got, err := p.run(t, o)
			if err != nil {
				t.Errorf("%s: %v", p.name, err)
				break
			}
			for i, v := range got {
				if v != p.want(i) {
					t.Errorf("%s: out[%d] = %#x, want %#x", p.name, i, v, p.want(i))
					break
				}
			}
		}
	}
}

// TestCheckers runs a deliberate fault for every checker, and wants it found at its line. With without, the same kernel has
// to pass when that checker is off, so that it is the checker which found it.
func TestCheckers(t *testing.T) {
	seen := map[Kind]bool{}
	for _, p := range faults() {
		for _, workers := range []int{1, 2} {
			_, err := p.run(t, Options{Check: true, Races: true, Workers: workers})
			var f *Fault
			if !errors.As(err, &f) {
				t.Errorf("%s: %v, want %v", p.name, err, p.kind)
				continue
			}
			t.Log(f)
			seen[f.Kind] = true
			lines := strings.Split(p.text(), "\n")
			if f.Kind != p.kind || p.line != "" && f.Code != p.line || f.Line < 1 || f.Line > len(lines) || !strings.Contains(lines[f.Line-1], strings.Fields(f.Code)[0]) {
				t.Errorf("%s: %v at line %d %q, want %v at %q", p.name, f.Kind, f.Line, f.Code, p.kind, p.line)
			}
		}
		p.want = nil
		_, err := p.run(t, Options{})
		switch p.kind {
		case Uninitialized, SharedRace, GlobalRace, AsyncPending, BadShuffle:
			if err != nil {
				t.Errorf("%s without checkers: %v", p.name, err)
			}
		case OutOfBounds, Misaligned, ReadOnly, Trapped, StepBudget: // found always
			if f := (*Fault)(nil); !errors.As(err, &f) || f.Kind != p.kind {
				t.Errorf("%s without checkers: %v", p.name, err)
			}
		}
	}
	for k := range kindNames {
		if k != UseAfterFree && !seen[k] { // which TestMemory has
			t.Errorf("no test for %v", k)
		}
	}
}

const toShared = `.shared .align 16 .b8 buf[1024]; mov.u32 %s, buf; mad.lo.u32 %s, %t, 4, %s;
`

func faults() []program {
	return []program{
		{name: "load past the end", threads: 64, in: count(64), kind: OutOfBounds, line: "ld.global.u32 %r1, [%l1+4]",
			body: `mad.wide.u32 %l1, %t, 4, %i; ld.global.u32 %r1, [%l1+4]; st.global.u32 [%a], %r1; ret;`},
		{name: "store before the beginning", threads: 32, kind: OutOfBounds, line: "st.global.u32 [%a+-4], %t",
			body: `st.global.u32 [%a+-4], %t; ret;`},
		{name: "wild pointer", threads: 32, kind: OutOfBounds, line: "ld.u32 %r1, [%l1]",
			body: `mov.u64 %l1, 64; ld.u32 %r1, [%l1]; ret;`},
		{name: "shared memory past the end", threads: 32, kind: OutOfBounds, line: "st.shared.u32 [%s+900], %t",
			body: toShared + `st.shared.u32 [%s+900], %t; ret;`},
		{name: "shared address wraps", threads: 1, kind: OutOfBounds, line: "st.shared.u32 [%l1], %t",
			body: toShared + `mov.u64 %l1, -4; st.shared.u32 [%l1], %t; ret;`},
		{name: "local memory past the end", threads: 32, kind: OutOfBounds, line: "st.local.u32 [%l1+16], %t",
			body: `.local .align 4 .b8 own[16]; mov.u64 %l1, own; st.local.u32 [%l1+16], %t; ret;`},
		{name: "parameters past the end", threads: 1, kind: OutOfBounds, line: "ld.param.u64 %l1, [in+8]",
			body: `ld.param.u64 %l1, [in+8]; ret;`},
		{name: "misaligned vector", threads: 2, in: count(8), kind: Misaligned, line: "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%l1]",
			body: `mad.wide.u32 %l1, %t, 4, %i; ld.global.v4.u32 {%r1,%r2,%r3,%r4}, [%l1]; ret;`},
		{name: "misaligned shared", threads: 2, kind: Misaligned, line: "st.shared.u64 [%s], %a",
			body: toShared + `st.shared.u64 [%s], %a; ret;`},
		{name: "vector load over the end", threads: 1, in: count(6), kind: OutOfBounds, line: "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%i+16]",
			body: `ld.global.u32 %r1, [%i]; ld.global.v4.u32 {%r1,%r2,%r3,%r4}, [%i+16]; ret;`},
		{name: "vector store over the end", threads: 1, room: 6, kind: OutOfBounds, line: "st.global.v4.u32 [%o+16], {%t, %t, %t, %t}",
			body: `st.global.u32 [%o], %t; st.global.v4.u32 [%o+16], {%t, %t, %t, %t}; ret;`},
		{name: "misaligned store", threads: 1, room: 6, kind: Misaligned, line: "st.global.v2.u32 [%o+4], {%t, %t}",
			body: `st.global.u32 [%o], %t; st.global.v2.u32 [%o+4], {%t, %t}; ret;`},
		{name: "misaligned load", threads: 1, in: count(6), kind: Misaligned, line: "ld.global.u32 %r1, [%i+2]",
			body: `ld.global.u32 %r1, [%i]; ld.global.u32 %r1, [%i+2]; ret;`},
		{name: "global memory never written", threads: 32, kind: Uninitialized, line: "ld.global.u32 %r1, [%a]",
			body: `ld.global.u32 %r1, [%a]; ret;`},
		{name: "half a word never written", threads: 32, kind: Uninitialized, line: "ld.global.u32 %r1, [%a]",
			body: `mov.u16 %h1, 1; st.global.u16 [%a], %h1; ld.global.u32 %r1, [%a]; ret;`},
		{name: "shared memory never written", threads: 32, kind: Uninitialized, line: "ld.shared.u32 %r1, [%s+4]",
			body: toShared + `st.shared.u32 [%s], %t; bar.sync 0; ld.shared.u32 %r1, [%s+4]; ret;`},
		{name: "no barrier after the write", threads: 64, kind: SharedRace, line: "ld.shared.u32 %r1, [%s]",
			body: toShared + `st.shared.u32 [%s], %t; xor.b32 %s, %s, 4; ld.shared.u32 %r1, [%s]; ret;`},
		{name: "no barrier before the next write", threads: 64, kind: SharedRace, line: "st.shared.u32 [%s], %r1",
			body: toShared + `st.shared.u32 [%s], %t; bar.sync 0; xor.b32 %s, %s, 4; ld.shared.u32 %r1, [%s];
				xor.b32 %s, %s, 4; st.shared.u32 [%s], %r1; ret;`},
		{name: "two warps write one word", threads: 64, kind: SharedRace, line: "@%p1 st.shared.u32 [%r1], %t",
			body: toShared + `mov.u32 %r1, buf; setp.eq.u32 %p1, %t, 0; setp.eq.u32 %p2, %t, 32; or.pred %p1, %p1, %p2; @%p1 st.shared.u32 [%r1], %t; ret;`},
		{name: "halves of one word shared out wrongly", threads: 32, kind: SharedRace, line: "ld.shared.u16 %r1, [%r2]",
			body: toShared + `mov.u32 %r2, buf; mad.lo.u32 %r2, %t, 2, %r2; st.shared.u16 [%r2], %t; xor.b32 %r2, %r2, 2; ld.shared.u16 %r1, [%r2]; ret;`},
		{name: "read by a lane after the others' barrier, and then written", threads: 32, kind: SharedRace, line: "@%p1 st.shared.u32 [%r1], %t",
			body: toShared + reread + `setp.eq.u32 %p2, %t, 1; @%p2 ld.shared.u32 %r2, [%r1]; @%p1 st.shared.u32 [%r1], %t; ret;`},
		{name: "a shuffle is no barrier", threads: 32, kind: SharedRace, line: "@%p1 st.shared.u32 [%r1], %t",
			body: toShared + reread + `ld.shared.u32 %r2, [%r1]; shfl.sync.bfly.b32 %r3, %t, 1, 31, -1; @%p1 st.shared.u32 [%r1], %t; ret;`},
		{name: "lanes that were not at the barrier", threads: 32, kind: SharedRace, line: "@%p2 ld.shared.u32 %r3, [%r1]",
			body: toShared + `mov.u32 %r1, buf; setp.lt.u32 %p1, %t, 16; setp.eq.u32 %p2, %t, 3; setp.eq.u32 %p3, %t, 20; @%p3 st.shared.u32 [%r1], %t;
				@!%p1 bra rest; bar.warp.sync 0xffff; rest: @%p2 ld.shared.u32 %r3, [%r1]; ret;`},
		{name: "a lane that met one reader of two", threads: 32, kind: SharedRace, line: "@%p4 st.shared.u32 [%r1], %t",
			body: toShared + strings.ReplaceAll(meetings, "WRITER", "5")},
		{name: "two blocks write one word", threads: 32, blocks: 4, kind: GlobalRace, line: "st.global.u32 [%a], %t",
			body: `st.global.u32 [%a], %t; ret;`},
		{name: "a block reads what another writes", threads: 1, blocks: 2, in: count(4), kind: GlobalRace, // at the read or at the write, whichever comes second
			body: `mov.u32 %r1, %ctaid.x; setp.eq.u32 %p1, %r1, 0; @%p1 st.global.u32 [%i], %r1; @!%p1 ld.global.u32 %r2, [%i]; ret;`},
		{name: "a counter without a fence", threads: 1, blocks: 3, in: []uint32{0, 0, 0, 0, 0, 0}, room: 1, kind: GlobalRace, line: "ld.global.u32 %r4, [%i+4]",
			body: strings.ReplaceAll(lastBlock, "membar.gl;", "")},
		{name: "no wait for the copy", threads: 32, in: count(128), kind: AsyncPending, line: "ld.shared.u32 %r1, [%s]",
			body: toShared + `mad.lo.u32 %r2, %t, 12, %s; mad.wide.u32 %l1, %t, 16, %i; cp.async.cg.shared.global [%r2], [%l1], 16;
				cp.async.commit_group; bar.sync 0; ld.shared.u32 %r1, [%s]; ret;`},
		{name: "waits for one group too few", threads: 32, in: count(128), kind: AsyncPending, line: "ld.shared.u32 %r1, [%s]",
			body: toShared + `mad.lo.u32 %r2, %t, 12, %s; mad.wide.u32 %l1, %t, 16, %i; cp.async.cg.shared.global [%r2], [%l1], 16;
				cp.async.commit_group; cp.async.wait_group 1; bar.sync 0; ld.shared.u32 %r1, [%s]; ret;`},
		{name: "a copy that others see without a barrier", threads: 32, in: count(128), kind: SharedRace, line: "ld.shared.u32 %r1, [%s]",
			body: toShared + `mad.lo.u32 %r2, %t, 12, %s; mad.wide.u32 %l1, %t, 16, %i; cp.async.cg.shared.global [%r2], [%l1], 16;
				cp.async.wait_all; ld.shared.u32 %r1, [%s]; ret;`},
		{name: "barrier in a branch of a warp", threads: 32, kind: BarrierDivergence, line: "bar.sync 0",
			body: `setp.lt.u32 %p1, %t, 16; @%p1 bra more; ret; more: bar.sync 0; setp.lt.u32 %p1, %t, 8; @%p1 bra end; bar.sync 0; end: ret;`},
		{name: "two warps at two barriers", threads: 64, kind: BarrierDivergence, line: "bar.sync 0",
			body: `setp.lt.u32 %p1, %t, 32; @%p1 bra other; bar.sync 0; ret; other: bar.sync 0; ret;`},
		{name: "a warp exits before the barrier", threads: 64, kind: BarrierDivergence, line: "bar.sync 0",
			body: `setp.lt.u32 %p1, %t, 32; @%p1 bra end; bar.sync 0; end: ret;`},
		{name: "guarded barrier", threads: 32, kind: BarrierDivergence, line: "@%p1 bar.sync 0",
			body: `setp.lt.u32 %p1, %t, 31; @%p1 bar.sync 0; ret;`},
		{name: "two names", threads: 64, kind: BarrierDivergence, line: "bar.sync %r1",
			body: `shr.u32 %r1, %t, 5; bar.sync %r1; ret;`},
		{name: "shuffle without the lanes of its mask", threads: 32, kind: BarrierDivergence, line: "shfl.sync.idx.b32 %r1, %t, 0, 31, -1",
			body: `setp.lt.u32 %p1, %t, 16; @%p1 bra some; bar.warp.sync -1; bra.uni end; some: shfl.sync.idx.b32 %r1, %t, 0, 31, -1; end: ret;`},
		{name: "mma with half a warp", threads: 16, kind: BarrierDivergence, line: "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%s]",
			body: toShared + `ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%s]; ret;`},
		{name: "shuffle from a lane outside the mask", threads: 32, kind: BadShuffle, line: "shfl.sync.idx.b32 %r1, %t, 31, 31, 65535",
			body: `setp.lt.u32 %p1, %t, 16; @!%p1 bra end; shfl.sync.idx.b32 %r1, %t, 31, 31, 65535; end: ret;`},
		{name: "write to a constant", threads: 1, outside: ".const .align 4 .b32 c = 7;", kind: ReadOnly, line: "st.global.u32 [%l1], %t",
			body: `mov.u64 %l1, c; cvta.const.u64 %l1, %l1; st.global.u32 [%l1], %t; ret;`},
		{name: "trap", threads: 40, kind: Trapped, line: "@%p1 trap",
			body: `setp.eq.u32 %p1, %t, 33; @%p1 trap; ret;`},
		{name: "endless loop", threads: 32, kind: StepBudget, line: "bra.uni again", body: `again: bra.uni again;`},
		{name: "branch index out of its list", threads: 32, kind: OutOfBounds, line: "brx.idx %t, list",
			body: `list: .branchtargets a, b; brx.idx %t, list; a: ret; b: ret;`},
	}
}

// reread is a word at %r1 that lane 0 (%p1) writes and all lanes of a warp read, with barriers of the warp after each.
const reread = `mov.u32 %r1, buf; setp.eq.u32 %p1, %t, 0; @%p1 st.shared.u32 [%r1], %t; bar.warp.sync -1; ld.shared.u32 %r2, [%r1]; bar.warp.sync -1; `

// meetings is a word that lane 3 reads before it meets lanes 0 to 15, lane 20 reads before it meets lane 4, and then a lane writes.
const meetings = `mov.u32 %r1, buf; setp.eq.u32 %p4, %t, 0; @%p4 st.shared.u32 [%r1], %t; bar.warp.sync -1;
	setp.eq.u32 %p1, %t, 3; @%p1 ld.shared.u32 %r2, [%r1]; setp.ge.u32 %p1, %t, 16; @%p1 bra high; bar.warp.sync 0xffff;
	high: setp.eq.u32 %p2, %t, 20; @%p2 ld.shared.u32 %r2, [%r1]; setp.eq.u32 %p3, %t, 4; or.pred %p3, %p2, %p3; @!%p3 bra low; bar.warp.sync 0x100010;
	low: setp.eq.u32 %p4, %t, WRITER; @%p4 st.shared.u32 [%r1], %t; bar.warp.sync -1; ld.shared.u32 %r3, [%r1]; st.global.u32 [%a], %r3; ret;`

// lastBlock is the usual way to let the last block of a grid use what the others wrote: in[0] counts, in[1+block] is theirs.
const lastBlock = `mov.u32 %r1, %ctaid.x; mad.wide.u32 %l1, %r1, 4, %i; add.u32 %r2, %r1, 100; st.global.u32 [%l1+4], %r2; membar.gl;
	atom.global.add.u32 %r3, [%i], 1; setp.ne.u32 %p1, %r3, 2; @%p1 bra end;
	ld.global.u32 %r4, [%i+4]; ld.global.u32 %r5, [%i+8]; ld.global.u32 %r6, [%i+12];
	add.u32 %r4, %r4, %r5; add.u32 %r4, %r4, %r6; st.global.u32 [%o], %r4; end: ret;`

func fixed(v uint32) func(int) uint32 { return func(int) uint32 { return v } }

func programs() []program {
	return []program{
		{name: "loop with different counts", threads: 70, want: func(i int) uint32 { return uint32(i * (i - 1) / 2) },
			body: `mov.u32 %r1, 0; mov.u32 %r2, 0; again: setp.ge.u32 %p1, %r1, %t; @%p1 bra done;
				add.u32 %r2, %r2, %r1; add.u32 %r1, %r1, 1; bra.uni again; done: st.global.u32 [%a], %r2; ret;`},
		{name: "nested branches meet again", threads: 32, want: func(i int) uint32 { return []uint32{30, 40, 7, 7}[i%4] + 32 },
			body: `and.b32 %r1, %t, 2; setp.ne.u32 %p1, %r1, 0; mov.u32 %r3, 7; @%p1 bra join;
				and.b32 %r2, %t, 1; setp.ne.u32 %p2, %r2, 0; @%p2 bra odd; mov.u32 %r3, 30; bra.uni join; odd: mov.u32 %r3, 40;
				join: activemask.b32 %r4; popc.b32 %r4, %r4; add.u32 %r3, %r3, %r4; st.global.u32 [%a], %r3; ret;`},
		{name: "part of the loop after the barrier", threads: 32, want: fixed(32),
			body: `setp.lt.u32 %p1, %t, 16; @%p1 bra far; back: bar.sync 0; activemask.b32 %r1; popc.b32 %r1, %r1;
				st.global.u32 [%a], %r1; ret; far: bra.uni back;`},
		{name: "companions exit while others wait", threads: 32, want: func(i int) uint32 { return []uint32{5, 16}[into(i < 16)] },
			body: `mov.u32 %r1, 5; st.global.u32 [%a], %r1; setp.ge.u32 %p1, %t, 16;
				mov.pred %p2, 1; @%p1 bra gone; vote.sync.ballot.b32 %r1, %p2, -1; popc.b32 %r1, %r1; st.global.u32 [%a], %r1; ret; gone: ret;`},
		{name: "indirect branch", threads: 32, want: func(i int) uint32 { return uint32(10 * (i%3 + 1)) },
			body: `rem.u32 %r1, %t, 3; list: .branchtargets a, b, c; brx.idx %r1, list;
				b: mov.u32 %r2, 20; bra.uni end; c: mov.u32 %r2, 30; bra.uni end; a: mov.u32 %r2, 10; end: st.global.u32 [%a], %r2; exit;`},
		{name: "a warp spins for another", threads: 64, want: fixed(9), outside: ".global .align 4 .b32 flag = 0;",
			body: `.shared .align 4 .b32 s; mov.u64 %l1, flag; setp.ge.u32 %p1, %t, 32; @%p1 bra set;
				spin: ld.volatile.global.u32 %r1, [%l1]; setp.eq.u32 %p2, %r1, 0; @%p2 bra spin; bra.uni end;
				set: mov.u32 %r1, 9; setp.ne.u32 %p3, %t, 32; @%p3 bra end; st.release.gpu.global.u32 [%l1], %r1; end:
				mov.u32 %r1, 9; st.global.u32 [%a], %r1; ret;`},
		{name: "registers are zero when a block begins", threads: 32, blocks: 3, in: count(3), room: 3, want: func(i int) uint32 { return []uint32{7, 0, 0}[i] },
			body: `mov.u32 %r1, %ctaid.x; setp.eq.u32 %p1, %r1, 0; @%p1 mov.u32 %r2, 7; mad.wide.u32 %l1, %r1, 4, %o; setp.eq.u32 %p2, %t, 0;
				@%p2 st.global.u32 [%l1], %r2; ret;`},
		{name: "scopes", threads: 1, want: fixed(3),
			body: `mov.u32 %r1, 1; { .reg .b32 %r1; mov.u32 %r1, 2; { .reg .b32 x<3>; mov.u32 x2, %r1; bra.uni l; l: } bra.uni l; l: }
				add.u32 %r1, %r1, 2; st.global.u32 [%a], %r1; ret;`},
		{name: "exchange through shared memory", threads: 96, want: func(i int) uint32 { return uint32(95 - i) },
			body: toShared + `st.shared.u32 [%s], %t; bar.sync 0; mov.u32 %r1, buf; sub.u32 %r2, 95, %t; mad.lo.u32 %r1, %r2, 4, %r1;
				ld.shared.u32 %r3, [%r1]; st.global.u32 [%a], %r3; ret;`},
		{name: "exchange within a warp", threads: 32, want: func(i int) uint32 { return uint32(i ^ 1) },
			body: toShared + `st.shared.u32 [%s], %t; bar.warp.sync -1; xor.b32 %s, %s, 4; ld.shared.u32 %r3, [%s]; bar.warp.sync -1;
				st.shared.u32 [%s], %r3; st.global.u32 [%a], %r3; ret;`},
		{name: "what was read before the barrier is read again, and written", threads: 32, want: fixed(7),
			body: toShared + reread + `mov.u32 %r2, 7; @%p1 ld.shared.u32 %r3, [%r1]; @%p1 st.shared.u32 [%r1], %r2; bar.warp.sync -1;
				ld.shared.u32 %r3, [%r1]; st.global.u32 [%a], %r3; ret;`},
		{name: "a lane that met both readers", threads: 32, want: fixed(4), body: toShared + strings.ReplaceAll(meetings, "WRITER", "4")},
		{name: "barriers that lead from lane to lane", threads: 32, want: func(i int) uint32 { return []uint32{0, 20}[into(i == 3)] },
			body: toShared + `mov.u32 %r1, buf; mov.u32 %r3, 0; setp.eq.u32 %p3, %t, 20; @%p3 st.shared.u32 [%r1], %t; setp.lt.u32 %p1, %t, 10;
				@%p1 bra low; bar.warp.sync 0xfffffc00; low: setp.eq.u32 %p2, %t, 15; or.pred %p1, %p1, %p2; @!%p1 bra end; bar.warp.sync 0x83ff;
				setp.eq.u32 %p2, %t, 3; @%p2 ld.shared.u32 %r3, [%r1]; end: st.global.u32 [%a], %r3; ret;`},
		{name: "halves of words", threads: 64, want: func(i int) uint32 { return uint32(i) },
			body: toShared + `mov.u32 %r1, buf; mad.lo.u32 %r1, %t, 2, %r1; cvt.u16.u32 %h1, %t; st.shared.u16 [%r1], %h1;
				ld.shared.s16 %r2, [%r1]; st.shared.u16 [%r1], %r2; st.global.u32 [%a], %r2; ret;`},
		{name: "dynamic and module-level shared memory", threads: 32, want: func(i int) uint32 { return uint32(i + 2) },
			outside: ".shared .align 4 .b32 one; .extern .shared .align 16 .b8 dyn[];",
			body: `.shared .b32 two; mov.u64 %l1, dyn; mad.wide.u32 %l2, %t, 4, %l1; st.shared.u32 [%l2], %t; mov.u32 %r1, 2;
				setp.ne.u32 %p1, %t, 0; @!%p1 st.shared.u32 [one], %r1; @!%p1 st.shared.u32 [two], %r1; bar.sync 0;
				cvta.shared.u64 %l3, %l2; ld.u32 %r2, [%l3]; ld.shared.u32 %r3, [one]; add.u32 %r2, %r2, %r3; st.global.u32 [%a], %r2; ret;`},
		{name: "local memory", threads: 40, want: func(i int) uint32 { return uint32(3 * i) },
			body: `.local .align 8 .b8 own[64]; mov.u64 %l1, own; cvta.local.u64 %l2, %l1; and.b32 %r1, %t, 15; mad.wide.u32 %l3, %r1, 4, %l1;
				mul.lo.u32 %r2, %t, 3; st.local.u32 [%l3], %r2; mad.wide.u32 %l4, %r1, 4, %l2; ld.u32 %r3, [%l4]; cvta.to.local.u64 %l5, %l4;
				ld.local.u32 %r4, [%l5]; setp.ne.u32 %p1, %r3, %r4; @%p1 trap; st.global.u32 [%a], %r3; ret;`},
		{name: "module variables", threads: 4, want: func(i int) uint32 { return []uint32{11, 22, 0xfffffffd, 0}[i] + 5 },
			outside: ".global .align 8 .b32 v[4] = {11, 22, -3}; .const .align 4 .b32 c = 5;",
			body: `mov.u64 %l1, v; mad.wide.u32 %l1, %t, 4, %l1; ld.global.u32 %r1, [%l1]; ld.const.u32 %r2, [c];
				add.u32 %r1, %r1, %r2; st.global.u32 [%a], %r1; ret;`},
		{name: "vectors", threads: 8, in: count(32), want: func(i int) uint32 { return uint32(4*i*4 + 6) },
			body: `mad.wide.u32 %l1, %t, 16, %i; ld.global.nc.v4.u32 {%r1, %r2, %r3, %r4}, [%l1]; ld.global.L1::no_allocate.L2::128B.v2.f32 {%f1, %f2}, [%l1+8];
				add.u32 %r1, %r1, %r2; mov.b32 %r5, %f1; mov.b32 %r6, %f2; setp.ne.u32 %p1, %r5, %r3; setp.ne.or.u32 %p1, %r6, %r4, %p1; @%p1 trap;
				ld.global.v2.u64 {%l2, %l3}, [%l1]; shr.u64 %l3, %l3, 32; cvt.u32.u64 %r5, %l3; setp.ne.u32 %p1, %r5, %r4; @%p1 trap;
				add.u32 %r3, %r3, %r4; add.u32 %r1, %r1, %r3; prefetch.global.L2 [%l1]; ldu.global.u32 %r7, [%l1]; st.global.wb.u32 [%a], %r1; ret;`},
		{name: "store vectors and narrow types", threads: 1, room: 4, want: func(i int) uint32 { return []uint32{0x80ff, 0xffffff80, 0x0201, 0xff}[i] },
			body: `mov.u32 %r1, 0x80ff; mov.u16 %h1, 0x0201; st.global.v2.u32 [%o], {%r1, %r1}; ld.global.s8 %r2, [%o+1]; st.global.u32 [%o+4], %r2;
				mov.u32 %r3, 0; st.global.u32 [%o+8], %r3; st.global.u16 [%o+8], %h1; ld.global.u8 %r4, [%o]; st.global.u32 [%o+12], %r4; ret;`},
		{name: "spaces told apart", threads: 1, room: 4, want: func(i int) uint32 { return []uint32{1, 0, 0, 1}[i] },
			body: `.shared .b32 x; mov.u64 %l1, x; cvta.shared.u64 %l1, %l1; isspacep.shared %p1, %l1; isspacep.local %p2, %l1; isspacep.global %p3, %l1;
				cvta.to.global.u64 %l2, %o; isspacep.global %p4, %o; selp.u32 %r1, 1, 0, %p1; selp.u32 %r2, 1, 0, %p2; selp.u32 %r3, 1, 0, %p3;
				selp.u32 %r4, 1, 0, %p4; st.global.v4.u32 [%l2], {%r1, %r2, %r3, %r4}; ret;`},
		{name: "last block", threads: 1, blocks: 3, in: []uint32{0, 0, 0, 0}, room: 1, want: fixed(303), body: lastBlock},

		shuffle("up", "%t, 3, 0", func(i int) int { return i - 3 }, func(i int) bool { return i >= 3 }),
		shuffle("down", "%t, 5, 31", func(i int) int { return i + 5 }, func(i int) bool { return i < 27 }),
		shuffle("bfly", "%t, 9, 31", func(i int) int { return i ^ 9 }, func(i int) bool { return true }),
		shuffle("idx", "%t, 13, 31", func(i int) int { return 13 }, func(i int) bool { return true }),
		// width 8: the upper bits of c keep the segment
		shuffle("down", "%t, 3, 6175", func(i int) int { return i + 3 }, func(i int) bool { return i%8 < 5 }),
		shuffle("up", "%t, 3, 6144", func(i int) int { return i - 3 }, func(i int) bool { return i%8 >= 3 }),
		shuffle("idx", "%t, 2, 6175", func(i int) int { return i&^7 + 2 }, func(i int) bool { return true }),
		{name: "shuffle in two halves with their own masks", threads: 32, want: func(i int) uint32 { return uint32(i / 16 * 16) },
			body: `setp.lt.u32 %p1, %t, 16; mov.u32 %r1, 0xffff; @!%p1 mov.u32 %r1, 0xffff0000; and.b32 %r2, %t, 16;
				@%p1 bra low; shfl.sync.idx.b32 %r3, %t, %r2, 31, %r1; bra.uni end; low: shfl.sync.idx.b32 %r3, %t, %r2, 31, %r1; end: st.global.u32 [%a], %r3; ret;`},
		{name: "votes", threads: 64, want: func(i int) uint32 { return []uint32{0b010, 0b111}[i/32] },
			body: `setp.ge.u32 %p1, %t, 5; vote.sync.all.pred %p2, %p1, -1; vote.sync.any.pred %p3, %p1, -1; vote.sync.uni.pred %p4, %p1, -1;
				selp.u32 %r1, 1, 0, %p2; selp.u32 %r2, 2, 0, %p3; selp.u32 %r3, 4, 0, %p4; or.b32 %r1, %r1, %r2; or.b32 %r1, %r1, %r3; st.global.u32 [%a], %r1; ret;`},
		{name: "ballot", threads: 50, want: func(i int) uint32 { return []uint32{0x49249249, 0x12492}[i/32] },
			body: `rem.u32 %r1, %t, 3; setp.eq.u32 %p1, %r1, 0; vote.sync.ballot.b32 %r2, %p1, -1; st.global.u32 [%a], %r2; ret;`},
		{name: "redux", threads: 32, want: fixed(496 + 31 - 31 + 63),
			body: `redux.sync.add.u32 %r1, %t, -1; redux.sync.max.s32 %r2, %t, -1; neg.s32 %r3, %t; redux.sync.min.s32 %r3, %r3, -1;
				add.u32 %r4, %t, 32; redux.sync.or.b32 %r5, %r4, -1; add.u32 %r1, %r1, %r2; add.u32 %r1, %r1, %r3; add.u32 %r1, %r1, %r5; st.global.u32 [%a], %r1; ret;`},
		{name: "match", threads: 32, want: func(i int) uint32 { return 0x11111111 << (i % 4) },
			body: `and.b32 %r6, %t, 3; match.any.sync.b32 %r7, %r6, -1; st.global.u32 [%a], %r7; ret;`},

		{name: "barrier that counts", threads: 96, want: fixed(32*64 + 16 + 1),
			body: `and.b32 %r1, %t, 3; setp.eq.u32 %p1, %r1, 0; setp.ge.u32 %p4, %t, 32; bar.red.popc.u32 %r2, 0, %p4; barrier.cta.red.popc.aligned.u32 %r3, 0, %p1;
				mul.lo.u32 %r2, %r2, 32; setp.ge.u32 %p2, %t, 0; bar.red.and.pred %p3, 0, %p2; selp.u32 %r4, 1, 0, %p3; bar.red.or.pred %p3, 0, !%p2; @%p3 trap;
				barrier.cta.red.and.aligned.pred %p3, 0, %p1; @%p3 trap; sub.u32 %r3, %r3, 8; add.u32 %r2, %r2, %r3; add.u32 %r2, %r2, %r4; st.global.u32 [%a], %r2; ret;`},
		{name: "named barriers: one warp makes, one takes", threads: 64, want: func(i int) uint32 { return uint32(i % 32 * 3) },
			body: toShared + `mov.u32 %r9, buf; and.b32 %r1, %t, 31; mad.lo.u32 %r9, %r1, 4, %r9; mul.lo.u32 %r2, %r1, 3; setp.ge.u32 %p1, %t, 32; @%p1 bra take;
				st.shared.u32 [%r9], %r2; st.global.u32 [%a], %r2; bar.arrive 3, 64; barrier.cta.arrive.aligned 4, 64; ret;
				take: bar.sync 3, 64; barrier.cta.sync.aligned 4, 64; ld.shared.u32 %r3, [%r9]; st.global.u32 [%a], %r3; ret;`},

		{name: "integer atomics", threads: 64, in: []uint32{5, 0, 1000, 0, ^uint32(0), 7, 62, 70, 0, 3, 0, 0}, room: 12,
			want: func(i int) uint32 {
				return []uint32{5 + 128, 63, 1<<32 - 3, 63, 0, 7, 22, 18, 9, 9, 0, 64}[i]
			},
			body: `atom.global.add.u32 %r1, [%i], 2; red.global.max.u32 [%i+4], %t; atom.global.min.s32 %r2, [%i+8], -3; red.relaxed.gpu.global.or.b32 [%i+12], %t;
				red.global.and.b32 [%i+16], %t; atom.global.xor.b32 %r3, [%i+20], 1; atom.global.inc.u32 %r4, [%i+24], 40; atom.global.dec.u32 %r5, [%i+28], 40;
				atom.acq_rel.gpu.global.cas.b32 %r8, [%i+32], 0, 9; atom.cas.b32 %r8, [%i+36], 3, 9; atom.global.exch.b32 %r7, [%i+40], 0; red.add.f32 [%i+44], 0f3F800000;
				bar.sync 0; setp.ge.u32 %p1, %t, 12; @%p1 bra end; mad.wide.u32 %l1, %t, 4, %i; ld.global.u32 %r9, [%l1]; setp.ne.u32 %p2, %t, 11; @%p2 bra put;
				mov.b32 %f1, %r9; cvt.rzi.u32.f32 %r9, %f1; put: st.global.u32 [%a], %r9; end: ret;`},
		{name: "atomics give the old value", threads: 32, in: []uint32{0, 0}, want: func(i int) uint32 { return uint32(2*i) + uint32(max(i-1, 0)) },
			body: `atom.global.add.u32 %r1, [%i], 2; atom.global.exch.b32 %r2, [%i+4], %t; add.u32 %r1, %r1, %r2; st.global.u32 [%a], %r1; ret;`},
		{name: "wide atomics", threads: 32, in: []uint32{0, 0, 0, 0, 0, 0}, room: 3, want: func(i int) uint32 { return []uint32{31 * 16, 31, 32}[i] },
			body: `cvt.u64.u32 %l1, %t; atom.global.add.u64 %l2, [%i], %l1; atom.global.max.s64 %l2, [%i+8], %l1; red.global.add.f64 [%i+16], 0d3FF0000000000000; bar.warp.sync -1;
				ld.global.u64 %l3, [%i]; ld.global.u64 %l4, [%i+8]; ld.global.f64 %l5, [%i+16]; cvt.rzi.u64.f64 %l5, %l5; cvt.u32.u64 %r1, %l3; cvt.u32.u64 %r2, %l4;
				cvt.u32.u64 %r3, %l5; st.global.u32 [%o], %r1; st.global.u32 [%o+4], %r2; st.global.u32 [%o+8], %r3; ret;`},
		{name: "atomics in shared memory", threads: 64, want: fixed(64 + 2016),
			body: `.shared .align 8 .b32 sum[4]; mov.u32 %s, sum; setp.ne.u32 %p1, %t, 0; mov.u32 %r1, 0; @!%p1 st.shared.v2.u32 [%s], {%r1, %r1}; bar.sync 0;
				atom.shared.add.u32 %r2, [%s], 1; cvta.shared.u64 %l1, 0; cvt.u64.u32 %l2, %s; add.u64 %l1, %l1, %l2; red.add.u32 [%l1+4], %t; bar.sync 0;
				ld.shared.v2.u32 {%r3, %r4}, [%s]; add.u32 %r3, %r3, %r4; st.global.u32 [%a], %r3; ret;`},

		{name: "asynchronous copies in two stages", threads: 32, in: count(512), want: func(i int) uint32 { return uint32(16*i) + 128 + 4*uint32(i) + 3 }, // first + second
			body: toShared + `mov.u32 %r9, buf; mad.lo.u32 %r1, %t, 16, %r9; mad.wide.u32 %l1, %t, 64, %i; mad.wide.u32 %l2, %t, 16, %i;
				cp.async.ca.shared.global [%r1], [%l1], 16; cp.async.commit_group; cp.async.cg.shared.global.L2::128B [%r1+512], [%l2+512], 16; cp.async.commit_group;
				cp.async.wait_group 1; ld.shared.u32 %r2, [%r1]; cp.async.wait_group 0; ld.shared.u32 %r3, [%r1+524]; add.u32 %r2, %r2, %r3; st.global.u32 [%a], %r2; ret;`},
		{name: "asynchronous copies with zeros", threads: 8, in: count(32), want: func(i int) uint32 { return []uint32{0, 1}[into(i >= 4)] * uint32(4*i) },
			body: toShared + `mov.u32 %r9, buf; mad.lo.u32 %r1, %t, 16, %r9; mad.wide.u32 %l1, %t, 16, %i; setp.ge.u32 %p1, %t, 4; selp.u32 %r2, 4, 0, %p1;
				cp.async.ca.shared.global [%r1], [%l1], 16, %r2; cp.async.wait_all; ld.shared.v4.u32 {%r2, %r3, %r4, %r5}, [%r1]; or.b32 %r3, %r3, %r4; or.b32 %r3, %r3, %r5;
				setp.ne.u32 %p1, %r3, 0; @%p1 trap; st.global.u32 [%a], %r2; ret;`},
		{name: "a copy ignored", threads: 8, in: count(32), want: fixed(0),
			body: toShared + `mov.u32 %r9, buf; mad.lo.u32 %r1, %t, 16, %r9; mad.wide.u32 %l1, %t, 16, %i; mov.pred %p1, 1;
				cp.async.cg.shared.global [%r1], [%l1], 16, %p1; cp.async.wait_all; ld.shared.u32 %r2, [%r1]; st.global.u32 [%a], %r2; ret;`},
		matrices("x1", false), matrices("x2", true), matrices("x4", false), matrices("x4", true),

		{name: "fences, hints and sleep", threads: 1, want: fixed(4),
			body: `membar.cta; membar.gl; fence.sc.sys; nanosleep.u32 10; mov.u32 %r1, 4; st.relaxed.gpu.global.u32 [%a], %r1;
				ld.acquire.gpu.global.u32 %r1, [%a]; st.volatile.global.u32 [%a], %r1; st.global.cs.u32 [%a], %r1; ret;`},
	}
}

// shuffle makes a program that packs the value got and whether it was in range.
func shuffle(mode, operands string, source func(i int) int, in func(i int) bool) program {
	return program{name: "shfl." + mode + " " + operands, threads: 32,
		want: func(i int) uint32 {
			if in(i) {
				return uint32(source(i)) | 256
			}
			return uint32(i)
		},
		body: fmt.Sprintf("shfl.sync.%s.b32 %%r1|%%p1, %s, -1; selp.u32 %%r2, 256, 0, %%p1; or.b32 %%r1, %%r1, %%r2; st.global.u32 [%%a], %%r1; ret;", mode, operands)}
}

// matrices loads n 8x8 matrices whose element (row, column) of matrix i is 64 i + 8 row + column, and gives the sum of what
// each lane gets, its registers weighted by 1, 3, 5 and 7.
func matrices(num string, trans bool) program {
	n := int(num[1] - '0')
	registers := []string{"%r20", "%r21", "%r22", "%r23"}[:n]
	modifier := ""
	if trans {
		modifier = ".trans"
	}
	weigh := ""
	for i, r := range registers {
		weigh += fmt.Sprintf("mad.lo.u32 %%r1, %s, %d, %%r1; ", r, 2*i+1)
	}
	return program{name: "ldmatrix " + num + modifier, threads: 32,
		want: func(l int) uint32 {
			sum := uint32(0)
			for i := range n {
				lo, hi := 64*i+8*(l/4)+2*(l%4), 64*i+8*(l/4)+2*(l%4)+1
				if trans {
					lo, hi = 64*i+8*(2*(l%4))+l/4, 64*i+8*(2*(l%4)+1)+l/4
				}
				sum += uint32(lo|hi<<16) * uint32(2*i+1)
			}
			return sum
		},
		body: `.shared .align 16 .b8 m[512]; mov.u32 %r2, m; mad.lo.u32 %r3, %t, 16, %r2; mov.u32 %r1, 0; mul.lo.u32 %r4, %t, 8;
			fill: mad.lo.u32 %r5, %r1, 2, %r3; add.u32 %r6, %r4, %r1; st.shared.u16 [%r5], %r6; add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 8; @%p1 bra fill;
			bar.sync 0; ldmatrix.sync.aligned.m8n8.` + num + modifier + `.shared.b16 {` + strings.Join(registers, ", ") + `}, [%r3]; mov.u32 %r1, 0; ` + weigh + `st.global.u32 [%a], %r1; ret;`}
}
