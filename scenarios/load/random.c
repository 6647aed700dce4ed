// random [-p N:MS] [-o FILE] [-x NAME,…] [-v] SEED OPS THREADS [PAGES]
//
// OPS random VMA operations by THREADS threads, all in one area of PAGES pages. Calls may fail:
// nobody knows what they find there. Ends with 0 and one line, `operation=tried/succeeded …`.
//
// -p  after each N operations all threads meet, and do nothing for MS milliseconds
// -o  only the operations whose numbers are in FILE, a line each: what one does is a matter of
//     SEED and its number, not of those before it
// -x  without operations of these names
// -v  tells the number and the name of each on stderr
#include "operations.h"

static void tell(long i, const char *name)
{
	char line[64];
	int length = snprintf(line, sizeof(line), "%ld %s\n", i, name);

	if (write(2, line, length) < 0)
		return;
}

static void rest(void)
{
	pthread_barrier_wait(&resting_place);
	usleep(pause_ms * 1000);
	pthread_barrier_wait(&resting_place);
}

static void work(struct worker *w)
{
	for (long n = 0; n < w->ops; n++) {
		long i = chosen && !w->generation ? chosen[n] : n;
		int which, operation = 0;

		// Each by itself, so that some can be left out.
		w->state = (w->seed + i) * 0x9e3779b97f4a7c15 | 1;
		number(w, 2);
		which = number(w, weights);
		for (; is_off[operation] || which >= operations[operation].weight; operation++)
			which -= is_off[operation] ? 0 : operations[operation].weight;
		if (is_verbose && !w->generation)
			tell(i, operations[operation].name);
		w->tried[operation]++;
		w->succeeded[operation] += perform(w, operation) >= 0;
		if (pause_after && !w->generation && (n + 1) % pause_after == 0)
			rest();
	}
	while (wait(0) > 0)
		;
}

static void *run(void *worker)
{
	pthread_barrier_wait(&start_line);
	work(worker);
	return 0;
}

static void choose(const char *path)
{
	FILE *file = fopen(path, "r");
	long i;

	if (!file)
		die(path);
	chosen = malloc(1 << 24);
	while (chosen_count < (1 << 24) / (long)sizeof(long) && fscanf(file, "%ld", &i) == 1)
		chosen[chosen_count++] = i;
	fclose(file);
}

static void switch_off(char *names)
{
	for (char *name = strtok(names, ","); name; name = strtok(0, ","))
		for (int i = 0; i < OPERATIONS; i++)
			is_off[i] |= !strcmp(name, operations[i].name);
}

int main(int argc, char **argv)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	char line[2048];
	int length = 0, option;

	if (argc == 1)  // vfork's child: another program, that ends at once
		return 0;
	self = argv[0];
	while ((option = getopt(argc, argv, "p:o:x:v")) > 0) {
		if (option == 'p' && sscanf(optarg, "%ld:%ld", &pause_after, &pause_ms) == 2)
			continue;
		if (option == 'o')
			choose(optarg);
		else if (option == 'x')
			switch_off(optarg);
		else if (option == 'v')
			is_verbose = 1;
		else
			argc = 0;
	}
	argv += optind - 1;
	argc -= optind - 1;
	threads = argc > 3 ? atoi(argv[3]) : 0;
	if (argc > 4)
		area_pages = atol(argv[4]);
	if (argc < 4 || threads < 1 || threads > 64 || area_pages < 64 || area_pages > 1500 || (chosen && threads > 1)) {
		fprintf(stderr, "usage: random [-p N:MS] [-o FILE] [-x NAME,…] [-v] SEED OPS THREADS(1-64) [PAGES(64-1500)]\n");
		return 2;
	}
	setrlimit(RLIMIT_MEMLOCK, &all);
	open_area();
	CHECK(zero = open("/dev/zero", O_RDONLY));
	CHECK(sink = memfd_create("sink", 0));
	for (int i = 0; i < 2; i++)
		files[i] = new_file(FILE_PAGES);
	CHECK(segment = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600));
	// It stays for as long as it is attached somewhere, and no longer.
	CHECK(shmat(segment, 0, 0));
	CHECK(shmctl(segment, IPC_RMID, 0));
	for (int i = 0; i < OPERATIONS; i++)
		weights += is_off[i] ? 0 : operations[i].weight;
	pause_after /= threads;

	pthread_t ids[64];
	static struct worker workers[64];
	pthread_barrier_init(&start_line, 0, threads + 1);
	pthread_barrier_init(&resting_place, 0, threads);
	for (int i = 0; i < threads; i++) {
		workers[i].seed = 0x9e3779b97f4a7c15 * (strtoull(argv[1], 0, 0) * 64 + i + 1);
		workers[i].ops = chosen ? chosen_count : atol(argv[2]) / threads;
		if (pthread_create(&ids[i], 0, run, &workers[i]))
			die("pthread_create");
	}
	// Behind all that the C library has taken, and it takes no more while they run.
	heap = (char *)(((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE);
	pthread_barrier_wait(&start_line);
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], 0);

	for (int i = 0; i < OPERATIONS; i++) {
		long tried = 0, succeeded = 0;

		for (int j = 0; j < threads; j++) {
			tried += workers[j].tried[i];
			succeeded += workers[j].succeeded[i];
		}
		length += snprintf(line + length, sizeof(line) - length, "%s%s=%ld/%ld", i ? " " : "",
				   operations[i].name, tried, succeeded);
	}
	line[length++] = '\n';
	return write(1, line, length) == length ? 0 : 1;
}
