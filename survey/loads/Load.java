import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;

/** Threads that fill and drop maps of small arrays. */
class Load {
    public static void main(String[] arguments) throws Exception {
        int rounds = Integer.parseInt(arguments[0]);
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
            Thread thread = new Thread(() -> {
                for (int round = 0; round < rounds; round++) {
                    HashMap<Integer, byte[]> map = new HashMap<>();
                    for (int i = 0; i < 60000; i++) map.put(i % 20000, new byte[i % 400]);
                }
            });
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) thread.join();
    }
}
