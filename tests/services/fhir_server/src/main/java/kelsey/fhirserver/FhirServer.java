package kelsey.fhirserver;

import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import java.net.InetSocketAddress;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.web.context.support.AnnotationConfigWebApplicationContext;

/**
 * A FHIR R4 server for Kelsey's tests.
 *
 * <p>Serves on a free port of 127.0.0.1 and, once it answers, prints one line {@code LISTENING base-url}. All data are
 * in memory and end with the process.
 */
public final class FhirServer {
  private static final String BASE_PATH = "/fhir";

  private FhirServer() {}

  public static void main(String[] arguments) throws Exception {
    AnnotationConfigWebApplicationContext beans = new AnnotationConfigWebApplicationContext();
    beans.register(StorageBeans.class);
    ServletContextHandler web = new ServletContextHandler("/");
    beans.setServletContext(web.getServletContext());
    beans.refresh();
    web.addServlet(new ServletHolder(restApi(beans)), BASE_PATH + "/*");

    Server http = new Server(new InetSocketAddress("127.0.0.1", 0));
    http.setHandler(web);
    http.start();
    int port = ((ServerConnector) http.getConnectors()[0]).getLocalPort();
    System.out.println("LISTENING http://127.0.0.1:" + port + BASE_PATH);
    http.join();
  }

  private static RestfulServer restApi(AnnotationConfigWebApplicationContext beans) {
    RestfulServer api = new RestfulServer(beans.getBean(FhirContext.class));
    api.registerProviders(beans.getBean(ResourceProviderFactory.class).createProviders());
    api.registerProvider(beans.getBean(IJpaSystemProvider.class));
    api.registerProvider(beans.getBean(BulkDataExportProvider.class));
    api.setPagingProvider(beans.getBean(DatabaseBackedPagingProvider.class));
    api.setServerConformanceProvider(
        new JpaCapabilityStatementProvider(
            api,
            beans.getBean(IFhirSystemDao.class),
            beans.getBean(JpaStorageSettings.class),
            beans.getBean(ISearchParamRegistry.class),
            beans.getBean(IValidationSupport.class)));
    beans.getAutowireCapableBeanFactory().autowireBean(api);
    return api;
  }
}
