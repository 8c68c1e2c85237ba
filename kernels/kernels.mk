# The backends: shared objects that tools load when they need one. oneDNN is linked here and nowhere else.
KOBJ := $(KERNELS:%.c=$(B)/kobj/%.o)

$(B)/kobj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CF) -O3 -fPIC -fvisibility=hidden $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/kobj/lib/base/%.o: lib/base/%.c
	@mkdir -p $(@D)
	$(CC) $(CF) -O3 -fPIC -fvisibility=hidden $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/bin/niipipe-cpu.so: $(KOBJ) $(B)/kobj/lib/base/err.o $(B)/kobj/lib/base/mem.o
	@mkdir -p $(@D)
	$(CC) -shared -fopenmp $(LDFLAGS) -o $@ $^ -ldnnl -lm

-include $(shell find $(B)/kobj -name '*.d' 2>/dev/null)
