"""What numba's code calls for arrays, in the place of its run-time library.

numba keeps the memory of an array behind a head of six words: the number of its owners, three words
that serve other kinds of memory, where it begins, and its size. It asks for memory, and hands it
back when nobody owns it any more. An array in C order gets another shape by strides in that order;
others, for which that may take a copy, are refused.
"""

from __future__ import annotations

__all__ = ["MEMORY"]

#: LLVM's words for both functions.
MEMORY = """
declare ptr @malloc(i64)
declare void @free(ptr)

define hidden ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {
entry:
  %step = zext i32 %align to i64
  %head = add i64 48, %step
  %sum = call { i64, i1 } @llvm.uadd.with.overflow.i64(i64 %size, i64 %head)
  %whole = extractvalue { i64, i1 } %sum, 0
  %overflows = extractvalue { i64, i1 } %sum, 1
  br i1 %overflows, label %none, label %ask
ask:
  %memory = call ptr @malloc(i64 %whole)
  %missing = icmp eq ptr %memory, null
  br i1 %missing, label %none, label %fill
fill:
  %start = ptrtoint ptr %memory to i64
  %beyond = add i64 %start, %head
  %low = sub i64 %step, 1
  %mask = xor i64 %low, -1
  ; One step back from behind the head and a whole step: the first aligned place behind the head.
  %back = sub i64 %beyond, 1
  %aligned = and i64 %back, %mask
  %data = inttoptr i64 %aligned to ptr
  %at_data = getelementptr i8, ptr %memory, i64 24
  %at_size = getelementptr i8, ptr %memory, i64 32
  call void @llvm.memset.p0.i64(ptr %memory, i8 0, i64 48, i1 false)
  store i64 1, ptr %memory
  store ptr %data, ptr %at_data
  store i64 %size, ptr %at_size
  ret ptr %memory
none:
  ret ptr null
}

define hidden ptr @NRT_MemInfo_alloc(i64 %size) {
  %memory = call ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 16)
  ret ptr %memory
}

define hidden void @NRT_MemInfo_call_dtor(ptr %memory) {
  call void @free(ptr %memory)
  ret void
}

define hidden i32 @numba_attempt_nocopy_reshape(i64 %nd, ptr %dims, ptr %strides, i64 %newnd,
                                                ptr %newdims, ptr %newstrides, i64 %itemsize,
                                                i32 %fortran) {
entry:
  br label %check
check:  ; from the last axis to the first: is each stride what C order makes it?
  %k = phi i64 [ %nd, %entry ], [ %below, %next ]
  %wanted = phi i64 [ %itemsize, %entry ], [ %more, %next ]
  %checked = icmp eq i64 %k, 0
  br i1 %checked, label %make, label %look
look:
  %below = sub i64 %k, 1
  %at_dim = getelementptr i64, ptr %dims, i64 %below
  %dim = load i64, ptr %at_dim
  %at_stride = getelementptr i64, ptr %strides, i64 %below
  %stride = load i64, ptr %at_stride
  %more = mul i64 %wanted, %dim
  %right = icmp eq i64 %stride, %wanted
  %single = icmp ult i64 %dim, 2
  %good = or i1 %right, %single
  br i1 %good, label %next, label %refuse
next:
  br label %check
make:
  %j = phi i64 [ %newnd, %check ], [ %j_below, %write ]
  %step = phi i64 [ %itemsize, %check ], [ %larger, %write ]
  %made = icmp eq i64 %j, 0
  br i1 %made, label %accept, label %write
write:
  %j_below = sub i64 %j, 1
  %at_new = getelementptr i64, ptr %newstrides, i64 %j_below
  store i64 %step, ptr %at_new
  %at_newdim = getelementptr i64, ptr %newdims, i64 %j_below
  %newdim = load i64, ptr %at_newdim
  %larger = mul i64 %step, %newdim
  br label %make
accept:
  ret i32 1
refuse:
  ret i32 0
}

declare { i64, i1 } @llvm.uadd.with.overflow.i64(i64, i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""
