// random [-p N:MS] [-x NAME,…] [-l FILE] [-f FILE] SEED OPS THREADS [PAGES]
//
// Does OPS random VMA operations, shared out among THREADS threads, all in one area of PAGES pages. Calls may fail:
// nobody knows what they find there. Ends with 0 and one line, `operation=tried/succeeded …`.
//
// -p  after each N operations, and the last, all threads meet and do nothing for MS milliseconds
// -x  leaves operations of these names out
// -l  writes a line for each operation to FILE, in the order in which they begin: THREAD:NUMBER NAME
// -f  does what such a FILE lists and nothing else, one after the other: what an operation does is
//     a matter of SEED, its thread and its number, not of those before it
#include "operations.h"

static void tell(int thread, long i, const char *name)
{
	char line[64];
	int length = snprintf(line, sizeof(line), "%d:%ld %s\n", thread, i, name);

	if (write(log_file, line, length) < 0)
		die("write");
}

static void rest(void)
{
	pthread_barrier_wait(&resting_place);
	usleep(pause_ms * 1000);
	pthread_barrier_wait(&resting_place);
}

// Each by itself, so that some can be left out.
static void step(struct worker *w, long i)
{
	int which, operation = 0;

	w->state = (w->seed + i) * 0x9e3779b97f4a7c15 | 1;
	number(w, 2);
	which = number(w, weights);
	for (; is_off[operation] || which >= operations[operation].weight; operation++)
		which -= is_off[operation] ? 0 : operations[operation].weight;
	if (log_file >= 0 && !w->generation)
		tell(w - workers, i, operations[operation].name);
	w->tried[operation]++;
	w->succeeded[operation] += perform(w, operation) >= 0;
}

static void pause_at(long done, long all)
{
	if (pause_after && (done % pause_after == 0 || done == all))
		rest();
}

static void work(struct worker *w)
{
	for (long i = 0; i < w->ops; i++) {
		step(w, i);
		if (!w->generation)
			pause_at(i + 1, w->ops);
	}
	while (wait(0) > 0)
		;
}

static void replay(void)
{
	for (long n = 0; n < listed_count; n++) {
		step(&workers[listed[n].thread], listed[n].number);
		pause_at(n + 1, listed_count);
	}
	while (wait(0) > 0)
		;
}

static void *run(void *worker)
{
	pthread_barrier_wait(&start_line);
	if (listed)
		replay();
	else
		work(worker);
	return 0;
}

static void read_list(const char *path)
{
	long room = 1 << 20;
	FILE *file = fopen(path, "r");

	if (!file)
		die(path);
	listed = malloc(room * sizeof(*listed));
	while (listed_count < room && fscanf(file, "%d:%ld %*s", &listed[listed_count].thread,
					     &listed[listed_count].number) == 2)
		if ((unsigned)listed[listed_count++].thread >= 64)
			listed_count--;
	fclose(file);
}

// Whether there are operations of all these names, and others.
static int switch_off(char *names)
{
	int left = OPERATIONS;

	for (char *name = strtok(names, ","); name; name = strtok(0, ",")) {
		int i = 0;

		while (i < OPERATIONS && strcmp(name, operations[i].name))
			i++;
		if (i == OPERATIONS) {
			fprintf(stderr, "random: no operation is called '%s'\n", name);
			return 0;
		}
		left -= !is_off[i];
		is_off[i] = 1;
	}
	return left > 0;
}

int main(int argc, char **argv)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	char line[2048];
	int length = 0, option;

	if (argc == 1)  // vfork's child: another program, that ends at once
		return 0;
	self = argv[0];
	while ((option = getopt(argc, argv, "p:x:l:f:")) > 0) {
		if (option == 'p' && sscanf(optarg, "%ld:%ld", &pause_after, &pause_ms) == 2)
			continue;
		if (option == 'x' && switch_off(optarg))
			continue;
		if (option == 'l')
			CHECK(log_file = open(optarg,
					      O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
					      0644));
		else if (option == 'f')
			read_list(optarg);
		else
			argc = 0;
	}
	argv += optind - 1;
	argc -= optind - 1;
	threads = argc > 3 ? atoi(argv[3]) : 0;
	if (argc > 4)
		area_pages = atol(argv[4]);
	if (argc < 4 || threads < 1 || threads > 64 || area_pages < 64 || area_pages > 1500) {
		fprintf(stderr, "usage: random [-p N:MS] [-x NAME,…] [-l FILE] [-f FILE] SEED OPS "
				"THREADS(1-64) [PAGES(64-1500)]\n");
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

	pthread_t ids[64];
	for (int i = 0; i < 64; i++) {
		workers[i].seed = 0x9e3779b97f4a7c15 * (strtoull(argv[1], 0, 0) * 64 + i + 1);
		workers[i].ops = atol(argv[2]) / threads;
	}
	if (listed)
		threads = 1;
	pause_after = (pause_after + threads - 1) / threads;
	pthread_barrier_init(&start_line, 0, threads + 1);
	pthread_barrier_init(&resting_place, 0, threads);
	for (int i = 0; i < threads; i++)
		if (pthread_create(&ids[i], 0, run, &workers[i]))
			die("pthread_create");
	// Behind all that the C library has taken, and it takes no more while they run.
	heap = (char *)(((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE);
	pthread_barrier_wait(&start_line);
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], 0);

	for (int i = 0; i < OPERATIONS; i++) {
		long tried = 0, succeeded = 0;

		for (int j = 0; j < 64; j++) {
			tried += workers[j].tried[i];
			succeeded += workers[j].succeeded[i];
		}
		length += snprintf(line + length, sizeof(line) - length, "%s%s=%ld/%ld",
				   i ? " " : "", operations[i].name, tried, succeeded);
	}
	line[length++] = '\n';
	return write(1, line, length) == length ? 0 : 1;
}
