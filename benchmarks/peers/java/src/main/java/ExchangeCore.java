import exchange.core2.collections.objpool.ObjectsPool;
import exchange.core2.core.common.CoreSymbolSpecification;
import exchange.core2.core.common.MatcherEventType;
import exchange.core2.core.common.MatcherTradeEvent;
import exchange.core2.core.common.OrderAction;
import exchange.core2.core.common.OrderType;
import exchange.core2.core.common.SymbolType;
import exchange.core2.core.common.cmd.CommandResultCode;
import exchange.core2.core.common.cmd.OrderCommand;
import exchange.core2.core.common.cmd.OrderCommandType;
import exchange.core2.core.common.config.LoggingConfiguration;
import exchange.core2.core.orderbook.IOrderBook;
import exchange.core2.core.orderbook.OrderBookDirectImpl;
import exchange.core2.core.orderbook.OrderBookEventsHelper;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;

/** exchange-core's direct book on a workload file; the last of several passes counts, once all is compiled. */
public final class ExchangeCore {
    private static final int MARK = 10_000;
    private static final int RECORD = 24;
    private static final int PASSES = 4;

    private MatcherTradeEvent free;
    private long hash;
    private long trades;

    private MatcherTradeEvent event() {
        MatcherTradeEvent event = free;
        if (event == null) {
            return new MatcherTradeEvent();
        }
        free = event.nextEvent;
        event.nextEvent = null;
        return event;
    }

    private IOrderBook book() {
        CoreSymbolSpecification spec = CoreSymbolSpecification.builder()
            .symbolId(1).type(SymbolType.CURRENCY_EXCHANGE_PAIR).baseCurrency(1).quoteCurrency(2)
            .baseScaleK(1).quoteScaleK(1).takerFee(0).makerFee(0).build();
        HashMap<Integer, Integer> sizes = new HashMap<>();
        sizes.put(ObjectsPool.DIRECT_ORDER, 1 << 18);
        sizes.put(ObjectsPool.DIRECT_BUCKET, 1 << 14);
        sizes.put(ObjectsPool.ART_NODE_4, 1 << 12);
        sizes.put(ObjectsPool.ART_NODE_16, 1 << 12);
        sizes.put(ObjectsPool.ART_NODE_48, 1 << 12);
        sizes.put(ObjectsPool.ART_NODE_256, 1 << 12);
        return new OrderBookDirectImpl(
            spec, new ObjectsPool(sizes), new OrderBookEventsHelper(this::event), LoggingConfiguration.DEFAULT);
    }

    private void note(long word) {
        hash = (hash ^ word) * 0x100000001B3L;
    }

    private void hear(OrderCommand command) {
        MatcherTradeEvent event = command.matcherEvent;
        while (event != null) {
            if (event.eventType == MatcherEventType.TRADE) {
                note(event.matchedOrderId - 1);
                note(event.price);
                note(event.size);
                trades++;
            }
            MatcherTradeEvent next = event.nextEvent;
            event.nextEvent = free;
            free = event;
            event = next;
        }
        command.matcherEvent = null;
    }

    private void step(IOrderBook book, OrderCommand command, ByteBuffer bytes, int at) {
        int kind = bytes.get(at);
        command.orderId = bytes.getLong(at + 16) + 1;
        command.uid = 1;
        command.symbol = 1;
        command.price = bytes.getLong(at + 8);
        switch (kind) {
            case 1, 2 -> {
                command.command = OrderCommandType.PLACE_ORDER;
                command.action = bytes.get(at + 1) == 1 ? OrderAction.BID : OrderAction.ASK;
                command.orderType = kind == 1 ? OrderType.GTC : OrderType.IOC;
                command.size = bytes.getInt(at + 4);
                // A move may not go above what was set aside: all prices there are.
                command.reserveBidPrice = 4_000;
            }
            case 3 -> command.command = OrderCommandType.CANCEL_ORDER;
            default -> command.command = OrderCommandType.MOVE_ORDER;
        }
        command.resultCode = CommandResultCode.VALID_FOR_MATCHING_ENGINE;
        IOrderBook.processCommand(book, command);
        hear(command);
    }

    private String pass(ByteBuffer bytes) {
        hash = 0;
        trades = 0;
        IOrderBook book = book();
        OrderCommand command = new OrderCommand();
        var threads = ManagementFactory.getThreadMXBean();
        int warm = (int) bytes.getLong(0);
        int count = (bytes.limit() - 8) / RECORD;
        StringBuilder marks = new StringBuilder();
        long started = 0;
        for (int index = 0; index < count; index++) {
            if (index == warm) {
                started = threads.getCurrentThreadCpuTime();
            }
            step(book, command, bytes, 8 + index * RECORD);
            if ((index + 1) % MARK == 0 || index + 1 == count) {
                marks.append(marks.length() > 0 ? ", " : "").append(String.format("\"%016x\"", hash));
            }
        }
        double ns = (threads.getCurrentThreadCpuTime() - started) / (double) (count - warm);
        return String.format(
            "{\"engine\": \"exchange-core\", \"ns\": %.2f, \"commands\": %d, \"trades\": %d, \"marks\": [%s]}",
            ns, count - warm, trades, marks);
    }

    public static void main(String[] arguments) throws Exception {
        byte[] file = Files.readAllBytes(Path.of(arguments[0]));
        ByteBuffer bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        ExchangeCore driver = new ExchangeCore();
        String last = "";
        for (int pass = 0; pass < PASSES; pass++) {
            last = driver.pass(bytes);
        }
        System.out.println(last);
    }
}
